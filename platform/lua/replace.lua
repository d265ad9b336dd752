-- Put another question in place of one, for as long as that was to stand.
--
-- KEYS  1 question
-- ARGV  1 the question as it was read  2 the other
-- Gives 1, also when the same call comes again, or 0 when it is another by now.
local q = redis.call('GET', KEYS[1])
if q == ARGV[2] then
  return 1
end
if q ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
