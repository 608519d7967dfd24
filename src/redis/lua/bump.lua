-- BUMP: a new generation, later than Redis' time, the stored and the seen one. HDEL comes first, so that it also
-- works when Redis is out of memory.
-- KEYS[1] generations, a hash
-- ARGV[1] field, ARGV[2] the generation seen elsewhere or '', ARGV[3] 8 random hex digits
-- Returns the new generation
local t = redis.call('TIME')
local time = t[1] * 1000000 + t[2]
for _, other in ipairs({redis.call('HGET', KEYS[1], ARGV[1]) or '', ARGV[2]}) do
  local digits = other:match('^(' .. ('%d'):rep(16) .. ')' .. ('%x'):rep(8) .. '$')
  if digits then time = math.max(time, tonumber(digits) + 1) end
end
local value = string.format('%016.0f', time) .. ARGV[3]
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], value)
return value
