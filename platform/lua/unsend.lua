-- Take back one counted sending for which no connection could be made. When none
-- is left, it is certain that the bank has never seen the transaction: so where
-- the script runs twice, or another sending was counted since, the count stays
-- rather too high.
--
-- KEYS  1 tx
-- ARGV  1 name of the sending
-- Gives the sendings that may have reached the bank, or -1 when it is final.
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'sent' and state ~= 'in_doubt' then
  return -1
end
if redis.call('HGET', KEYS[1], 'sending') == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'sending')
  redis.call('HINCRBY', KEYS[1], 'attempts', -1)
end
return tonumber(redis.call('HGET', KEYS[1], 'attempts'))
