-- GENERATIONS: reads generations, creating those that are missing; with the purges, if others than those known.
-- KEYS[1] generations, a hash
-- ARGV[1] number of fields n, ARGV[2] to ARGV[n + 1] fields, then n times 8 random hex digits, then the known version
-- Returns {Redis time in ms, later than every purge; n values; version of the purges; the purges, if it is another}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local purged = redis.call('HGET', KEYS[1], 'purged') or ''
local reply = {string.format('%.0f', math.max(now, (tonumber(purged) or 0) + 1))}
local n = tonumber(ARGV[1])
for i = 1, n do
  local field = ARGV[1 + i]
  local value = redis.call('HGET', KEYS[1], field)
  if not value or not value:find('^' .. ('%d'):rep(16) .. ('%x'):rep(8) .. '$') then
    value = string.format('%016.0f', t[1] * 1000000 + t[2]) .. ARGV[1 + n + i]
    redis.call('HSET', KEYS[1], field, value)
  end
  reply[1 + i] = value
end
reply[n + 2] = purged
if purged ~= ARGV[2 * n + 2] then reply[n + 3] = redis.call('HGET', KEYS[1], 'purges') or '' end
return reply
