-- QHOT: notes that a query is asked for, in a list that keeps the newest of them for a while.
-- KEYS[1] list
-- ARGV[1] query, ARGV[2] how many are kept, ARGV[3] for how long, in ms
-- Returns 1
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
