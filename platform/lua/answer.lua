-- Put an answer into the outbox that no transaction stands behind, and close the
-- long message that it answers.
--
-- KEYS  1 outbox  2 parts
-- ARGV  1 parts tombstone ms  2.. fields of the outbox entry
local fields = {}
for i = 2, #ARGV do fields[#fields + 1] = ARGV[i] end
redis.call('XADD', KEYS[1], '*', unpack(fields))
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('HSET', KEYS[2], 'done', '1')
  redis.call('PEXPIRE', KEYS[2], ARGV[1])
end
return 1
