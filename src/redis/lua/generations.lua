-- GENERATIONS: reads generations, creating those that are missing.
-- KEYS[1] generations, a hash
-- ARGV[1] number of fields n, ARGV[2] to ARGV[n + 1] fields, then n times 8 random hex digits
-- Returns {Redis time in ms, n values}
local t = redis.call('TIME')
local reply = {string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))}
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
return reply
