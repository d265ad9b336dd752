-- Note on a transaction's record what became of its confirmation, if the record
-- is still kept: a record that is gone must not come back without an end. A
-- receipt that was quicker stays.
--
-- KEYS  1 tx
-- ARGV  1 what became of it
local before = redis.call('HGET', KEYS[1], 'confirmed')
if redis.call('EXISTS', KEYS[1]) == 1 and not (before and before:sub(1, 8) == 'receipt ') then
  redis.call('HSET', KEYS[1], 'confirmed', ARGV[1])
end
return 1
