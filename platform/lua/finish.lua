-- Record a transaction's end together with what its subscriber is told, and take
-- it off the journal. All confidential fields go.
--
-- KEYS  1 tx  2 journal  3 outbox
-- ARGV  1 new state  2 outcome  3 now ms  4 keep ms  5 journal entry or ''
--       6 'unsent' when it may only end if nothing can have reached the bank
--       7.. outbox entries, each: number of fields, fields
-- Gives 1, or 0 when it was final already, or -1 when 'unsent' does not hold.
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'accepted' and ARGV[1] ~= 'declined' then
  return redis.error_reply('ERR accepted and never sent, it cannot be ' .. ARGV[1])
end
local open = state == 'accepted' or state == 'sent' or state == 'in_doubt'
if open and ARGV[6] == 'unsent' and tonumber(redis.call('HGET', KEYS[1], 'attempts') or '0') > 0 then
  return -1
end
if open then
  redis.call('HDEL', KEYS[1], 'body', 'key', 'sealed', 'imsi', 'sending')
  redis.call('HSET', KEYS[1], 'state', ARGV[1], 'outcome', ARGV[2], 'final_at', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  local i = 7
  while i <= #ARGV do
    local n, fields = tonumber(ARGV[i]), {}
    for j = 1, n do fields[j] = ARGV[i + j] end
    redis.call('XADD', KEYS[3], '*', unpack(fields))
    i = i + n + 1
  end
end
if ARGV[5] ~= '' then
  redis.call('XACK', KEYS[2], 'gateways', ARGV[5])
  redis.call('XDEL', KEYS[2], ARGV[5])
end
return open and 1 or 0
