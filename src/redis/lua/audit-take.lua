-- AUDTAKE: takes samples that are due off the list.
-- KEYS[1] list
-- ARGV[1] how many at most
-- Returns {ms until the next one is due, '' if there is none, the samples}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, sample in ipairs(due) do redis.call('ZREM', KEYS[1], sample) end
local nextOne = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local wait = nextOne[2] and string.format('%.0f', math.max(0, nextOne[2] - now)) or ''
table.insert(due, 1, wait)
return due
