-- SOFTEN: a value is stale until it is loaded anew, and a load under way cannot fill it any more.
-- KEYS[1] record
-- ARGV[1] the mark of it
-- Returns 1 if there was a value, else 0
local _, state, value = read(KEYS)
if state < 0 then return 0 end
redis.call('SETRANGE', KEYS[1], '20', NONE .. NONE)
if not value then return 0 end
redis.call('SETRANGE', KEYS[1], '3', ARGV[1])
return 1
