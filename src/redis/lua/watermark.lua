-- HWGET: reads a watermark under a generation; one that is absent, or of an older generation, becomes unknown.
-- KEYS[1] watermark
-- ARGV[1] generation (16 digits, 8 hex digits), ARGV[2] nonce for an unknown one
-- Returns {'K', position} | {'U', nonce, age in ms, pending} | {'N', newer generation} | {'X'}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local v = redis.pcall('GET', KEYS[1])
v = type(v) == 'string' and v or ''
if v == 'X' then return {'X'} end
local g, lsn = v:match('^K|(' .. ('%x'):rep(24) .. ')|(' .. ('%x'):rep(16) .. ')$')
local ug, nonce, since, pending = v:match('^U|([%x-]+)|([%w-]+)|(%d+)|(' .. ('%x'):rep(16) .. ')$')
if ug and ug ~= '-' and #ug ~= 24 then ug, pending = nil, nil end
local stored = g or ug
if stored == ARGV[1] then
  if lsn then return {'K', lsn} end
  return {'U', nonce, math.max(0, now - since), pending}
end
if stored and stored ~= '-' then
  local time, random = tonumber(stored:sub(1, 16)), tonumber(stored:sub(17), 16)
  local ownTime, ownRandom = tonumber(ARGV[1]:sub(1, 16)), tonumber(ARGV[1]:sub(17), 16)
  if time > ownTime or time == ownTime and random > ownRandom then return {'N', stored} end
end
pending = lsn or pending or ('0'):rep(16)
redis.call('SET', KEYS[1], string.format('U|%s|%s|%.0f|%s', ARGV[1], ARGV[2], now, pending))
return {'U', ARGV[2], 0, pending}
