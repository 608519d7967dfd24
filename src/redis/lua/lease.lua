-- LEASE: who may load this item. Drops a value of another stamp; keeps one of the same (it is served while stale).
-- KEYS[1] record
-- ARGV[1] token, ARGV[2] lease in ms, ARGV[3] stamp, ARGV[4] 1: grant although the value is fresh, 0: do not
-- Returns the record if it is fresh, 0 if somebody else holds the lease, 1 if granted
local r, state, value = read(KEYS)
local same = value and r:sub(65, 80) == ARGV[3]
if same and ARGV[4] == '0' and (parse('>I8', r, 45) > now or r:byte(61) == 0) then return redis.call('GET', KEYS[1]) end
local token = r:sub(21, 28)
if token ~= NONE and token ~= ARGV[1] and parse('>I8', r, 29) > now then return 0 end
local lease = ARGV[1] .. format('>I8', now + ARGV[2])
local ttl = math.max(ARGV[2], state < 0 and 0 or redis.call('PTTL', KEYS[1]))
if same then
  redis.call('SETRANGE', KEYS[1], '20', lease)
  redis.call('PEXPIRE', KEYS[1], ttl)
else
  redis.call('SET', KEYS[1], 'W\1\0\0' .. r:sub(5, 20) .. lease, 'PX', ttl)
end
return 1
