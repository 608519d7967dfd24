-- SWAP: new content for a session that nobody has written since it was read.
-- KEYS[1] session
-- ARGV[1] token that was read, ARGV[2] content from the version on, ARGV[3] ttl in ms, ARGV[4] longest life in ms
-- Returns 1 if swapped (or already, by this very call), 0 if it was written, has ended or is gone
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local r = redis.pcall('GET', KEYS[1])
local is = type(r) == 'string' and r:sub(1, 2) == 'S\1' and (#r == 11 and r:byte(3) == 0 and 'ended'
    or #r >= 69 and r:byte(3) == 1 and 'live')
local function u64(n) return struct.pack('>I4I4', math.floor(n / 4294967296), n % 4294967296) end

if is ~= 'live' then return 0 end
local token = r:sub(28, 35)
if token == ARGV[2]:sub(9, 16) then return 1 end
local high, low = struct.unpack('>I4I4', r, 4)
local left = math.min(tonumber(ARGV[3]), high * 4294967296 + low + ARGV[4] - now)
if token ~= ARGV[1] or left <= 0 then return 0 end
redis.call('SET', KEYS[1], r:sub(1, 11) .. u64(now) .. ARGV[2], 'PX', left)
return 1
