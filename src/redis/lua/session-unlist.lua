-- UNLIST: drops a session from those of its subject, unless it was listed so lately that its write may be under way.
-- KEYS[1] sessions of a subject
-- ARGV[1] session, ARGV[2] how long ago it must have been listed, in ms
-- Returns 1 if dropped, 0 if not
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local listed = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not listed or now - listed < tonumber(ARGV[2]) then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
