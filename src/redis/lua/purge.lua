-- PURGE: lists that what was filled until now under some names is dropped, or stale. HDEL comes first, so that it also
-- works when Redis is out of memory.
-- KEYS[1] generations, a hash
-- ARGV[1] drop or stale, ARGV[2] a time told before, in ms, ARGV[3] how long it is listed, in ms, ARGV[4] most lines
-- of the list, ARGV[5...] names
-- Returns its time in ms, later than everything told before, or 0 if the list is full
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local last = tonumber(redis.call('HGET', KEYS[1], 'purged') or '') or 0
local at = math.max(now, tonumber(ARGV[2]), last + 1)
local function line(...) return string.format('%.0f %.0f %.0f %s\n', ...) end
local drops, stales, lines = {}, {}, {}
for i = 5, #ARGV do drops[ARGV[i]], stales[ARGV[i]] = 0, 0 end
local text = redis.call('HGET', KEYS[1], 'purges') or ''
for drop, stale, till, name in text:gmatch('(%d+) (%d+) (%d+) ([^\n]+)\n') do
  if drops[name] then drops[name], stales[name] = drop, stale
  elseif tonumber(till) > now then lines[#lines + 1] = line(drop, stale, till, name) end
end
for name, drop in pairs(drops) do
  local isDrop = ARGV[1] == 'drop'
  lines[#lines + 1] = line(isDrop and at or drop, isDrop and stales[name] or at, at + ARGV[3], name)
end
if #lines > tonumber(ARGV[4]) then return 0 end
redis.call('HDEL', KEYS[1], 'purges', 'purged')
redis.call('HSET', KEYS[1], 'purged', string.format('%.0f', at), 'purges', table.concat(lines))
return at
