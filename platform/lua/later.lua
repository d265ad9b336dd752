-- Take an entry that cannot leave now off the outbox and keep it until it is due,
-- so that it holds up nobody. The same call again changes nothing.
--
-- KEYS  1 outbox  2 later (sorted set: due, ms)  3 later:entries (hash)
-- ARGV  1 entry  2 the entry, to be put back as it is  3 due ms (unix)
-- Gives 1, or 0 when the entry is no longer there.
redis.call('XACK', KEYS[1], 'gateways', ARGV[1])
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
return 1
