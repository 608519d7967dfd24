-- END: ends a session and leaves a mark, so that its id is never used again.
-- KEYS[1] session
-- ARGV[1] token that was read (empty: whichever), ARGV[2] 8 bytes, mark of this call, ARGV[3] how long it stays, in ms,
-- ARGV[4] 1: the mark is left also where there is none
-- Returns 1 if ended (or already, by this very call), 0 if there is none, it was written since or has ended before
local r = redis.pcall('GET', KEYS[1])
local is = type(r) == 'string' and r:sub(1, 2) == 'S\1' and (#r == 11 and r:byte(3) == 0 and 'ended'
    or #r >= 69 and r:byte(3) == 1 and 'live')

if is == 'ended' then return r:sub(4) == ARGV[2] and 1 or 0 end
if not is and ARGV[4] ~= '1' or is and ARGV[1] ~= '' and r:sub(28, 35) ~= ARGV[1] then return 0 end
-- First: a script that has made room may write while memory is short.
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], 'S\1\0' .. ARGV[2], 'PX', ARGV[3])
return 1
