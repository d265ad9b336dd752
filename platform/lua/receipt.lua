-- Say what the message of a receipt stands for; park a receipt that nothing waits
-- for yet. Of those that are parked there is a limit, the oldest go first: a flood
-- of receipts for foreign messages costs no more.
--
-- KEYS  1 receipt  2 parked (sorted set: since, ms)
-- ARGV  1 the receipt, as it is parked  2 park ms  3 now ms (unix)  4 how many at most
--       5 '1' when no other state follows it
-- Gives what await.lua left, or nothing.
local before = redis.call('GET', KEYS[1])
if before and before:sub(1, 6) ~= 'early ' then
  if ARGV[5] == '1' then
    -- Not at once: receipts come twice.
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
  end
  return before
end
if before and ARGV[5] ~= '1' then
  return false -- an intermediate one does not replace what is parked
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[3] - ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], KEYS[1])
local over = redis.call('ZCARD', KEYS[2]) - ARGV[4]
if over > 0 then
  for _, k in ipairs(redis.call('ZRANGE', KEYS[2], 0, over - 1)) do
    redis.call('DEL', k)
    redis.call('ZREM', KEYS[2], k)
  end
end
return false
