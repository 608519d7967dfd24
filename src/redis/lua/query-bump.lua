-- QBUMP: results of tags become old, also those that are being loaded. Without memory the index is dropped.
-- KEYS[1] index
-- ARGV[1] a tag, ARGV[2...] others
-- Returns 1 if there is an index, else 0
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local seq = redis.pcall('HINCRBY', KEYS[1], 'seq', 1)
if type(seq) == 'table' then
  redis.call('DEL', KEYS[1])
  return 1
end
for i = 1, #ARGV do redis.call('HSET', KEYS[1], 'g:' .. ARGV[i], seq) end
return 1
