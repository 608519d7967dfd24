-- WARMTURN: pauses, resumes or cancels a warm job, if its state allows it.
-- KEYS[1] job, a hash
-- ARGV[1] the state that it is to have, ARGV[2...] states that it may come from
-- Returns 1 if it has it now, 0 if it cannot
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
local state = redis.call('HGET', KEYS[1], 'state')
if state == ARGV[1] then return 1 end
for i = 2, #ARGV do
  if state == ARGV[i] then
    redis.call('HSET', KEYS[1], 'state', ARGV[1], 'updated', now)
    return 1
  end
end
return 0
