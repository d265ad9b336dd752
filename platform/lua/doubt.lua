-- Mark a sent transaction as in doubt and tell the subscriber, once.
--
-- KEYS  1 tx  2 outbox
-- ARGV  fields of the outbox entry
if redis.call('HGET', KEYS[1], 'state') ~= 'sent' then
  return 0
end
redis.call('HSET', KEYS[1], 'state', 'in_doubt')
redis.call('XADD', KEYS[2], '*', unpack(ARGV))
return 1
