-- Record the sealed bytes before they are sent for the first time, or count one
-- more sending of those that are recorded. Whoever comes second gets the bytes
-- of whoever came first: two gateways never send different bytes for one serial.
-- The same call again (a client retries after a cut connection) counts once.
--
-- KEYS  1 tx
-- ARGV  1 'seal' | 'again' | 'reseal'  2 sealed  3 wrapped key  4 serial  5 now ms
--       6 (reseal) the sealed bytes to be replaced  7 name of this sending
-- Gives {state, sealed, wrapped key} or {'final'}
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'accepted' and state ~= 'sent' and state ~= 'in_doubt' then
  return {'final'}
end
local sealed = redis.call('HGET', KEYS[1], 'sealed')
if (ARGV[1] == 'seal' and not sealed) or (ARGV[1] == 'reseal' and sealed == ARGV[6]) then
  sealed = ARGV[2]
  redis.call('HSET', KEYS[1], 'sealed', sealed, 'key', ARGV[3], 'serial', ARGV[4])
  redis.call('HDEL', KEYS[1], 'body')
end
if state == 'accepted' then
  state = 'sent'
  redis.call('HSET', KEYS[1], 'state', state, 'sent_at', ARGV[5])
end
if redis.call('HGET', KEYS[1], 'sending') ~= ARGV[7] then
  redis.call('HSET', KEYS[1], 'sending', ARGV[7])
  redis.call('HINCRBY', KEYS[1], 'attempts', 1)
end
return {state, sealed, redis.call('HGET', KEYS[1], 'key')}
