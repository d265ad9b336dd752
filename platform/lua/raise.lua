-- Raise a counter to at least a number.
--
-- KEYS  1 counter
-- ARGV  1 number
if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1])
end
return 1
