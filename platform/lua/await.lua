-- Leave word of what a message id stands for, and take the receipt that came
-- before it.
--
-- KEYS  1 receipt  2 parked (sorted set: since, ms)
-- ARGV  1 what it stands for  2 how long a receipt is waited for, ms
-- Gives the parked receipt, or nothing.
local before = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('ZREM', KEYS[2], KEYS[1])
return before
