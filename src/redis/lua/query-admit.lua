-- QFILL: whether a result may be stored; if so, its rows are from now on found in lists of its tags.
-- KEYS[1] index
-- ARGV[1] incarnation, ARGV[2] seq of the capture, ARGV[3] number of tags, ARGV[4...] tags, then items
-- Returns 1 if it may, 0 if something of it changed since the capture
if redis.call('HGET', KEYS[1], 'inc') ~= ARGV[1] then return 0 end
local seq, count = tonumber(ARGV[2]), tonumber(ARGV[3])
for i = 4, 3 + count do
  if tonumber(redis.call('HGET', KEYS[1], 'g:' .. ARGV[i]) or '0') > seq then return 0 end
end
local members = {}
for i = 4 + count, #ARGV do
  local member = redis.call('HGET', KEYS[1], 'm:' .. ARGV[i]) or '0|\n'
  if tonumber(member:match('^%d+')) > seq then return 0 end
  members[i] = member
end
for i = 4 + count, #ARGV do
  local member = members[i]
  for k = 4, 3 + count do
    if not member:find('\n' .. ARGV[k] .. '\n', 1, true) then member = member .. ARGV[k] .. '\n' end
  end
  redis.call('HSET', KEYS[1], 'm:' .. ARGV[i], member)
end
return 1
