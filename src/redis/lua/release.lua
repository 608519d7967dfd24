-- RELEASE: gives a lease back, if it still is the caller's.
-- KEYS[1] record
-- ARGV[1] token
-- Returns 1 if the lease was cleared, else 0
local r, _, value = read(KEYS)
if ARGV[1] == NONE or r:sub(21, 28) ~= ARGV[1] then return 0 end
if value or r:sub(13, 20) ~= NONE then
  redis.call('SETRANGE', KEYS[1], '20', NONE .. NONE)
else
  redis.call('DEL', KEYS[1])
end
return 1
