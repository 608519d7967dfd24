-- INVAL: drops what is older than a change, raises the fence, revokes the lease. DEL first: works when out of memory.
-- KEYS[1] record
-- ARGV[1] identity, ARGV[2] stamp, ARGV[3] own lease: always, cached (if a value is dropped) or never, ARGV[4] lease in
-- ms, ARGV[5] fence in ms, ARGV[6] version; empty: drop whatever is there, and let the fence be, ARGV[7] token
-- Returns 0 ignored, 1 dropped, 2 dropped and leased
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

local id, fence, open, till = r:sub(5, 12), r:sub(13, 20), ARGV[6] == '', now + ARGV[4]
local same = id == ARGV[1] or id == NONE
local provisional = value and r:byte(61) == 0
local live = value and not provisional and r:sub(65, 80) == ARGV[2]
local function order(other)
  local high, low = struct.unpack('>I4I4', ARGV[6])
  local otherHigh, otherLow = struct.unpack('>I4I4', other)
  return high ~= otherHigh and high - otherHigh or low - otherLow
end
local newer = open or not same or live and order(r:sub(81, 88)) > 0 or not live and order(fence) >= 0
local own = newer and (ARGV[3] == 'always' or ARGV[3] == 'cached' and (live or provisional))
if not newer and not provisional then return 0 end
local ttl = math.max(ARGV[5], newer and (own and ARGV[4] or 0) or redis.call('PTTL', KEYS[1]))
local lease = own and ARGV[7] .. struct.pack('>I4I4', math.floor(till / 4294967296), till % 4294967296)
local raise = not open and (not same or order(fence) > 0) and ARGV[6] or same and fence or NONE
local keep = 'W\1\0\0' .. (newer and ARGV[1] .. raise or r:sub(5, 20))
redis.call('DEL', KEYS[1])
if state < 0 and not own then return 1 end
local set = redis.pcall('SET', KEYS[1], keep .. (newer and (lease or NONE .. NONE) or r:sub(21, 36)), 'PX', ttl)
return newer and (own and not set.err and 2 or 1) or 0
