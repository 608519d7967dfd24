-- AUDADD: puts samples on the list of those that are to be audited; those that are due last are left out beyond a cap.
-- KEYS[1] list
-- ARGV[1] how many are kept, ARGV[2] for how long the list is, in ms, then for each sample in how many ms, and the text
-- Returns 1
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
for i = 3, #ARGV, 2 do redis.call('ZADD', KEYS[1], now + ARGV[i], ARGV[i + 1]) end
redis.call('ZREMRANGEBYRANK', KEYS[1], ARGV[1], -1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
