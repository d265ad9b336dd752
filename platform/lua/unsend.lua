-- Take back one counted sending for which no connection could be made. When none
-- is left, it is certain that the bank has never seen the transaction.
--
-- KEYS  1 tx
-- Gives the sendings that may have reached the bank, or -1 when it is final.
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'sent' and state ~= 'in_doubt' then
  return -1
end
return redis.call('HINCRBY', KEYS[1], 'attempts', -1)
