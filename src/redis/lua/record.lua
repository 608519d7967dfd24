-- What the scripts on a record begin with. Times are in ms, and all keys of a call have one now.
local parse, format, NONE = struct.unpack, struct.pack, string.rep('\0', 8)
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

-- 0 a lease or fence alone, 1 a value, 2 an absent one, -1 nothing that is a record
local function stateOf(r, size)
  local magic, version, state = r:byte(1, 3)
  if magic ~= 87 or version ~= 1 or size < 36 then return -1 end
  if state == 0 then return size == 36 and 0 or -1 end
  if state > 2 or size < 112 then return -1 end
  local guarantee, encoding, tags = parse('>BBI2', r, 61)
  if guarantee > 3 or encoding ~= 0 or size ~= 112 + tags + parse('>I4', r, 109) then return -1 end
  return state
end

-- The header without tags and body, which may be long; its state; whether it has a value that still lives
local function read(KEYS)
  local r = redis.pcall('GETRANGE', KEYS[1], '0', '111')
  if type(r) ~= 'string' then r = '' end
  local state = stateOf(r, #r < 112 and #r or redis.call('STRLEN', KEYS[1]))
  if state < 0 then r = 'W\1' .. string.rep('\0', 34) end
  return r, state, state > 0 and parse('>I8', r, 53) > now
end

-- Of two versions, bytewise: not the order of texts, which depends on the locale, nor of numbers, which lose digits
local function order(a, b)
  if a == b then return 0 end
  local high, low = parse('>I4I4', a)
  local otherHigh, otherLow = parse('>I4I4', b)
  return high ~= otherHigh and high - otherHigh or low - otherLow
end
