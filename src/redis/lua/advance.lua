-- HWADV: raises a watermark, or what is pending while it is unknown; a closed one stays closed. DEL comes first, so
-- that it also works when Redis is out of memory: losing the watermark is safe, not raising it is not.
-- KEYS[1] watermark
-- ARGV[1] position (16 hex digits), ARGV[2] nonce for a new one
-- Returns 0
local v = redis.pcall('GET', KEYS[1])
v = type(v) == 'string' and v or ''
if v == 'X' then return 0 end
local known, lsn = v:match('^(K|' .. ('%x'):rep(24) .. '|)(' .. ('%x'):rep(16) .. ')$')
local unknown, pending = v:match('^(U|[%x-]+|[%w-]+|%d+|)(' .. ('%x'):rep(16) .. ')$')
local head, old = known or unknown, lsn or pending
if head then
  local high, low = tonumber(ARGV[1]:sub(1, 8), 16), tonumber(ARGV[1]:sub(9), 16)
  local oldHigh, oldLow = tonumber(old:sub(1, 8), 16), tonumber(old:sub(9), 16)
  if high < oldHigh or high == oldHigh and low <= oldLow then return 0 end
else
  local t = redis.call('TIME')
  head = string.format('U|-|%s|%.0f|', ARGV[2], t[1] * 1000 + math.floor(t[2] / 1000))
end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], head .. ARGV[1])
return 0
