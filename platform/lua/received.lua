-- Note a receipt on the record of its message, if that is still kept, and what it
-- means for the confirmation on the transaction's. A state that says more stays:
-- receipts come twice, and in any order.
--
-- KEYS  1 message record  2 tx
-- ARGV  1 part  2 rank of the state: 1 another follows, 2 unclear, 3 failed, 4 delivered
--       3 its name  4 the receipt  5 '1' when the message is the confirmation
--       6 number of the parts: a message that was cut up anew has others
local parts = tonumber(redis.call('HGET', KEYS[1], 'parts') or '0')
if parts == 0 or redis.call('HGET', KEYS[1], 'number') ~= ARGV[6] then
  return 0
end
local under = '.' .. ARGV[6]
local function rank(i) return tonumber(redis.call('HGET', KEYS[1], 'k' .. i .. under) or '0') end
if tonumber(ARGV[2]) <= rank(ARGV[1]) then
  return 0
end
local part = ARGV[1] .. under
redis.call('HSET', KEYS[1], 'k' .. part, ARGV[2], 's' .. part, ARGV[3], 'r' .. part, ARGV[4])
if ARGV[5] ~= '1' or redis.call('EXISTS', KEYS[2]) == 0 then
  return 1
end
local least, state = 9, ''
for i = 1, parts do
  local r = rank(i)
  if r == 3 then
    state = redis.call('HGET', KEYS[1], 's' .. i .. under)
    if parts > 1 then
      state = state .. ', part ' .. i .. ' of ' .. parts
    end
    least = 3
    break
  end
  if r < least then
    least, state = r, redis.call('HGET', KEYS[1], 's' .. i .. under) or ''
  end
end
if least > 1 then
  redis.call('HSET', KEYS[2], 'confirmed', 'receipt ' .. state)
end
return 1
