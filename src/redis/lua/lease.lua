-- LEASE: who may load this item. Drops a value of another stamp; keeps one of the same (it is served while stale).
-- KEYS[1] record
-- ARGV[1] token, ARGV[2] lease in ms, ARGV[3] stamp, ARGV[4] 1: grant although the value is fresh, 0: do not
-- Returns the record if it is fresh, 0 if somebody else holds the lease, 1 if granted
local NONE = string.rep('\0', 8)
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local r = redis.pcall('GET', KEYS[1])
local function num(at)
  local high, low = struct.unpack('>I4I4', r, at)
  return high * 4294967296 + low
end
local state = type(r) == 'string' and #r >= 36 and r:sub(1, 2) == 'W\1' and r:byte(3) or -1
if state == 0 and #r ~= 36 or state > 2 or state > 0 and (#r < 112 or r:byte(61) > 3 or r:byte(62) ~= 0
    or #r ~= 112 + struct.unpack('>I2', r, 63) + struct.unpack('>I4', r, 109)) then state = -1 end
if state < 0 then r = 'W\1' .. string.rep('\0', 34) end
local value = state > 0 and num(53) > now

local same = value and r:sub(65, 80) == ARGV[3]
if same and ARGV[4] == '0' and (num(45) > now or r:byte(61) == 0) then return r end
local token = r:sub(21, 28)
if token ~= NONE and token ~= ARGV[1] and num(29) > now then return 0 end
local deadline = now + ARGV[2]
local lease = ARGV[1] .. struct.pack('>I4I4', math.floor(deadline / 4294967296), deadline % 4294967296)
local ttl = math.max(tonumber(ARGV[2]), state < 0 and 0 or redis.call('PTTL', KEYS[1]))
if same then
  redis.call('SETRANGE', KEYS[1], 20, lease)
  redis.call('PEXPIRE', KEYS[1], ttl)
else
  redis.call('SET', KEYS[1], 'W\1\0\0' .. r:sub(5, 20) .. lease, 'PX', ttl)
end
return 1
