-- Leave word of what a message id stands for, and take the receipt that came
-- before it. The same call again gives the same: its first answer may be lost.
--
-- KEYS  1 receipt  2 parked (sorted set: since, ms)  3 the receipt that was taken
-- ARGV  1 what it stands for  2 how long a receipt is waited for, ms  3 how long the call may be repeated, ms
-- Gives the parked receipt, or nothing.
local before = redis.call('GET', KEYS[1])
if before == ARGV[1] then
  return redis.call('GET', KEYS[3])
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('ZREM', KEYS[2], KEYS[1])
if before and before:sub(1, 6) == 'early ' then
  redis.call('SET', KEYS[3], before, 'PX', ARGV[3])
end
return before
