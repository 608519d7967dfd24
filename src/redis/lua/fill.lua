-- FILL: stores what the holder of the lease loaded, unless something newer came by. Ends the lease either way.
-- KEYS[1] record
-- ARGV[1] token, ARGV[2] identity, ARGV[3] state, ARGV[4] soft, ARGV[5] hard ms, ARGV[6] bytes 60 on, ARGV[7] begun at
-- Returns 0 stored; refused: 1 lease, 2 fence, 3 older than the live value, 4 provisional over a live value
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

if ARGV[1] == NONE or r:sub(21, 28) ~= ARGV[1] then return 1 end
local id, fence, version, stamp = r:sub(5, 12), r:sub(13, 20), ARGV[6]:sub(21, 28), ARGV[6]:sub(5, 20)
local same = id == ARGV[2] or id == NONE
local live = value and r:byte(61) > 0 and r:sub(65, 80) == stamp
local function before(other)
  local high, low = struct.unpack('>I4I4', version)
  local otherHigh, otherLow = struct.unpack('>I4I4', other)
  return high < otherHigh or high == otherHigh and low < otherLow
end
local refusal = same and before(fence) and 2 or same and live and before(r:sub(81, 88)) and 3
  or live and ARGV[6]:byte(1) == 0 and 4
if refusal then -- There is a fence or a value, so the key stays.
  redis.call('SETRANGE', KEYS[1], 20, NONE .. NONE)
  return refusal
end
if not same then fence = NONE end
local ttl = math.max(tonumber(ARGV[5]), fence == NONE and 0 or redis.call('PTTL', KEYS[1]))
local function time(ms) return struct.pack('>I4I4', math.floor(ms / 4294967296), ms % 4294967296) end
local head = 'W\1' .. string.char(ARGV[3]) .. '\0' .. ARGV[2] .. fence .. NONE .. NONE .. time(tonumber(ARGV[7]) or now)
redis.call('SET', KEYS[1], head .. time(now + ARGV[4]) .. time(now + ARGV[5]) .. ARGV[6], 'PX', ttl)
return 0
