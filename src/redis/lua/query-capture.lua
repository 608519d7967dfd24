-- QCAP: the state of a query index, before a load. Creates the index.
-- KEYS[1] index
-- ARGV[1] incarnation of a new index, ARGV[2...] tags
-- Returns incarnation, seq, and of each tag the seq of its last change
if redis.call('HSETNX', KEYS[1], 'inc', ARGV[1]) == 1 then redis.call('HSET', KEYS[1], 'seq', '0') end
local reply = redis.call('HMGET', KEYS[1], 'inc', 'seq')
for i = 2, #ARGV do reply[i + 1] = redis.call('HGET', KEYS[1], 'g:' .. ARGV[i]) or '0' end
return reply
