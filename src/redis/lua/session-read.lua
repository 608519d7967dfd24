-- READ: a session, whose life begins anew with it, up to its longest.
-- KEYS[1] session
-- ARGV[1] ttl in ms, ARGV[2] longest life in ms
-- Returns {record as it was, Redis time in ms} | 0 if there is none | 2 if it has ended
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local r = redis.pcall('GET', KEYS[1])
local is = type(r) == 'string' and r:sub(1, 2) == 'S\1' and (#r == 11 and r:byte(3) == 0 and 'ended'
    or #r >= 69 and r:byte(3) == 1 and 'live')
local function u64(n) return struct.pack('>I4I4', math.floor(n / 4294967296), n % 4294967296) end

if is == 'ended' then return 2 end
if not is then return 0 end
local high, low = struct.unpack('>I4I4', r, 4)
local left = math.min(tonumber(ARGV[1]), high * 4294967296 + low + ARGV[2] - now)
if left <= 0 then
  redis.call('DEL', KEYS[1])
  return 0
end
-- First: a script that has written may go on while memory is short.
redis.call('PEXPIRE', KEYS[1], left)
redis.call('SETRANGE', KEYS[1], 11, u64(now))
return {r, string.format('%.0f', now)}
