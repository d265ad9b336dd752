-- Keep one part of a long message until all are there.
--
-- KEYS  1 parts  2 deadlines of incomplete messages
-- ARGV  1 part number  2 parts in all  3 wrapped part  4, 5 digest of the part
--       under the digest key of today, and of yesterday
--       6 keep ms  7 deadline ms (unix)  8 member of the deadlines
-- Gives {'kept'} | {'repeat'} (a part of a message that is done) | {'all', part 1, part 2, ...}
local n = ARGV[1]
local before = redis.call('HGET', KEYS[1], 'd' .. n)
local same = before == ARGV[4] or before == ARGV[5]
if redis.call('HEXISTS', KEYS[1], 'done') == 1 then
  if same then
    return {'repeat'}
  end
  redis.call('DEL', KEYS[1]) -- the handset uses the reference number again
elseif before and not same then
  redis.call('DEL', KEYS[1]) -- the same: another message with this reference began
end
redis.call('HSET', KEYS[1], 'p' .. n, ARGV[3], 'd' .. n, ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
local all = {'all'}
for i = 1, tonumber(ARGV[2]) do
  local p = redis.call('HGET', KEYS[1], 'p' .. i)
  if not p then
    redis.call('ZADD', KEYS[2], ARGV[7], ARGV[8])
    return {'kept'}
  end
  all[#all + 1] = p
end
redis.call('ZREM', KEYS[2], ARGV[8])
return all
