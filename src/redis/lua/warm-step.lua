-- WARMSTEP: takes or keeps a warm job, and notes how far it is; gives it back where it is not to go on.
-- KEYS[1] job, a hash
-- ARGV[1] owner, ARGV[2] for how long it is his, in ms, ARGV[3] progress or '', ARGV[4] the state that it ends in or ''
-- Returns its state, or '' if somebody else has it or there is none
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local found = redis.call('HMGET', KEYS[1], 'state', 'owner', 'until')
local state, owner, till = found[1], found[2], found[3]
if not state or owner and owner ~= ARGV[1] and tonumber(till) > now then return '' end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'progress', ARGV[3]) end
if state ~= 'queued' and state ~= 'running' then
  redis.call('HDEL', KEYS[1], 'owner', 'until')
  return state
end
state = ARGV[4] ~= '' and ARGV[4] or 'running'
local at, future = string.format('%.0f', now), string.format('%.0f', now + ARGV[2])
redis.call('HSET', KEYS[1], 'state', state, 'updated', at, 'owner', ARGV[1], 'until', future)
return state
