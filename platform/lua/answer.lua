-- Put an answer into the outbox that no transaction stands behind, and close the
-- long message that it answers.
--
-- KEYS  1 outbox  2 parts  3 deadlines of incomplete messages
-- ARGV  1 parts tombstone ms  2 member of the deadlines, or ''  3 now ms (unix)
--       4.. fields of the outbox entry
-- With a member it answers only if that is overdue, and takes it off: the last
-- part may have come meanwhile, or another gateway been quicker.
-- Gives 1, or 0 when the member is not overdue.
if ARGV[2] ~= '' then
  local deadline = redis.call('ZSCORE', KEYS[3], ARGV[2])
  if not deadline or tonumber(deadline) > tonumber(ARGV[3]) then
    return 0
  end
  redis.call('ZREM', KEYS[3], ARGV[2])
end
local fields = {}
for i = 4, #ARGV do fields[#fields + 1] = ARGV[i] end
redis.call('XADD', KEYS[1], '*', unpack(fields))
for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
  if field:sub(1, 1) == 'p' then redis.call('HDEL', KEYS[2], field) end
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('HSET', KEYS[2], 'done', '1')
  redis.call('PEXPIRE', KEYS[2], ARGV[1])
end
return 1
