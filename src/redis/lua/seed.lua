-- SEED: makes an unknown watermark known, iff it is the one the seeder saw: same nonce, and of some generation.
-- KEYS[1] watermark
-- ARGV[1] nonce, ARGV[2] as-of of the seeding read (16 hex digits)
-- Returns the position it is known at, the higher of as-of and pending, or false if refused
local v = redis.pcall('GET', KEYS[1])
v = type(v) == 'string' and v or ''
local g, nonce, pending = v:match('^U|(' .. ('%x'):rep(24) .. ')|([%w-]+)|%d+|(' .. ('%x'):rep(16) .. ')$')
if nonce ~= ARGV[1] then return false end
local high, low = tonumber(ARGV[2]:sub(1, 8), 16), tonumber(ARGV[2]:sub(9), 16)
local oldHigh, oldLow = tonumber(pending:sub(1, 8), 16), tonumber(pending:sub(9), 16)
local position = (high < oldHigh or high == oldHigh and low < oldLow) and pending or ARGV[2]
redis.call('SET', KEYS[1], 'K|' .. g .. '|' .. position)
return position
