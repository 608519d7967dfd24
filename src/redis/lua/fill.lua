-- FILL: stores what the holder of the lease loaded, unless something newer came by. Ends the lease either way.
-- KEYS[1] record
-- ARGV[1] the new one, as it is stored but for: no fence, the lease's token, and in place of its times when its load
-- began (0: now) and how many ms it is fresh and lives
-- Returns 0 stored; refused: 1 lease, 2 fence, 3 older than the live value, 4 provisional over a live value
local r, _, value = read(KEYS)
local new = ARGV[1]
local id, token, version = r:sub(5, 12), new:sub(21, 28), new:sub(81, 88)
if token == NONE or r:sub(21, 28) ~= token then return 1 end
local same = id == NONE or id == new:sub(5, 12)
local fence = same and r:sub(13, 20) or NONE
local live = value and r:byte(61) > 0 and r:sub(65, 80) == new:sub(65, 80)
local refusal = order(version, fence) < 0 and 2 or same and live and order(version, r:sub(81, 88)) < 0 and 3
  or live and new:byte(61) == 0 and 4
if refusal then -- There is a fence or a value, so the key stays.
  redis.call('SETRANGE', KEYS[1], '20', NONE .. NONE)
  return refusal
end
local begun, soft, hard = parse('>I8I8I8', new, 37)
local ttl = fence == NONE and hard or math.max(hard, redis.call('PTTL', KEYS[1]))
redis.call('SET', KEYS[1], new, 'PX', ('%d'):format(ttl))
local times = format('>I8I8I8', begun > 0 and begun or now, now + soft, now + hard)
redis.call('SETRANGE', KEYS[1], '12', fence .. NONE .. NONE .. times)
return 0
