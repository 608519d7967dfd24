-- SOFTEN: a value is stale until it is loaded anew, and a load under way cannot fill it any more.
-- KEYS[1] record
-- ARGV[1] the mark of it
-- Returns 1 if there was a value, else 0
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

if state < 0 then return 0 end
redis.call('SETRANGE', KEYS[1], 20, NONE .. NONE)
if not value then return 0 end
redis.call('SETRANGE', KEYS[1], 3, ARGV[1])
return 1
