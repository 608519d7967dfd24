-- QEVENT: items changed. Bumps the tags of their new versions and of the lists they were found in, and marks each item,
-- also one that was in no list, as a load under way may have its old version. Without memory it drops the index.
-- KEYS[1] index
-- ARGV[1] most fields of an index, ARGV[2...] for each item its name, the number of its tags, the tags
-- Returns the bumped tags; 1: the index was dropped, which bumps everything; none where there is no index
local fields = redis.call('HLEN', KEYS[1])
if fields == 0 then return {} end
local seq = redis.pcall('HINCRBY', KEYS[1], 'seq', 1)
if fields > tonumber(ARGV[1]) or type(seq) == 'table' then
  redis.call('DEL', KEYS[1])
  return 1
end
local bumped, list = {}, {}
local function bump(tag)
  if bumped[tag] then return end
  bumped[tag] = true
  list[#list + 1] = tag
  redis.call('HSET', KEYS[1], 'g:' .. tag, seq)
end
local i = 2
while i <= #ARGV do
  local member, count = 'm:' .. ARGV[i], tonumber(ARGV[i + 1])
  local was = redis.call('HGET', KEYS[1], member)
  if was then for tag in was:sub(was:find('|', 1, true) + 1):gmatch('[^\n]+') do bump(tag) end end
  for k = i + 2, i + 1 + count do bump(ARGV[k]) end
  redis.call('HSET', KEYS[1], member, seq .. '|\n')
  i = i + 2 + count
end
return list
