-- CLOSE: the partition has descendants, so nothing may be filled under its watermark any more. DEL comes first, so
-- that it also works when Redis is out of memory.
-- KEYS[1] watermark
-- ARGV[1] how long, in ms
-- Returns 0
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], 'X', 'PX', ARGV[1])
return 0
