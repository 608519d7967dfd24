-- CREATE: a session under an id that nobody has, or had; or one that comes back out of its durable copy.
-- KEYS[1] session
-- ARGV[1] content from the version on, ARGV[2] ttl in ms, ARGV[3] longest life in ms, ARGV[4] created (0: now),
-- ARGV[5] last seen (0: now); both in ms
-- Returns 1 if created (or already, by this very call), 0 if one is there, 2 if it has ended, 3 if it would be too old
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local r = redis.pcall('GET', KEYS[1])
local is = type(r) == 'string' and r:sub(1, 2) == 'S\1' and (#r == 11 and r:byte(3) == 0 and 'ended'
    or #r >= 69 and r:byte(3) == 1 and 'live')
local function u64(n) return struct.pack('>I4I4', math.floor(n / 4294967296), n % 4294967296) end

if is == 'ended' then return 2 end
if is then return r:sub(28, 35) == ARGV[1]:sub(9, 16) and 1 or 0 end
local created = ARGV[4] == '0' and now or tonumber(ARGV[4])
local seen = ARGV[5] == '0' and now or tonumber(ARGV[5])
local left = math.min(seen + ARGV[2], created + ARGV[3]) - now
if left <= 0 then return 3 end
redis.call('SET', KEYS[1], 'S\1\1' .. u64(created) .. u64(seen) .. ARGV[1], 'PX', left)
return 1
