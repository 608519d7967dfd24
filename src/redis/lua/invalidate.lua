-- INVAL: drops what is older than a change, raises the fence, revokes the lease. Works when out of memory.
-- KEYS[1] record
-- ARGV[1] identity, ARGV[2] stamp, ARGV[3] own lease: always, cached (if a value is dropped) or never, ARGV[4] lease in
-- ms, ARGV[5] fence in ms, ARGV[6] token, then the version; without: drop whatever is there, and let the fence be
-- Returns 0 ignored, 1 dropped, 2 dropped and leased
local r, state, value = read(KEYS)
local id, fence, token, version = r:sub(5, 12), r:sub(13, 20), ARGV[6]:sub(1, 8), ARGV[6]:sub(9)
local same, open = id == ARGV[1] or id == NONE, version == ''
local provisional = value and r:byte(61) == 0
local live = value and not provisional and r:sub(65, 80) == ARGV[2]
local newer = open or not same or live and order(version, r:sub(81, 88)) > 0 or not live and order(version, fence) >= 0
local own = newer and (ARGV[3] == 'always' or ARGV[3] == 'cached' and (live or provisional))
if not newer and not provisional then return 0 end
if state < 0 and not own then
  redis.call('DEL', KEYS[1])
  return 1
end
local keep, ttl = r:sub(5, 36), newer and (own and ARGV[4] or 0) or redis.call('PTTL', KEYS[1])
if newer then
  local raise = not open and (not same or order(version, fence) > 0) and version or same and fence or NONE
  keep = ARGV[1] .. raise .. (own and token .. format('>I8', now + ARGV[4]) or NONE .. NONE)
end
ttl = ('%d'):format(math.max(ttl, ARGV[5]))
local function put() return redis.pcall('SET', KEYS[1], 'W\1\0\0' .. keep, 'PX', ttl) end
local set = put()
if set.err then -- Out of memory. Whoever has deleted may write.
  redis.call('DEL', KEYS[1])
  set = put()
end
return newer and (own and not set.err and 2 or 1) or 0
