-- LIST: adds a session to those of its subject, and drops those that cannot live any more.
-- KEYS[1] sessions of a subject, a sorted set by the time of listing in ms
-- ARGV[1] session, ARGV[2] longest life of a session in ms
-- Returns 1
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[2]))
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.max(tonumber(ARGV[2]), redis.call('PTTL', KEYS[1])))
return 1
