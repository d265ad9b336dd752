-- Journal a transaction, remember its message and take the pending dynamic key,
-- all or nothing. The same call again (a client retries after a cut connection)
-- changes nothing and answers the same.
--
-- KEYS  1 tx  2 pending key  3 journal  4 parts  5 question
--       6, 7 the message's identity, today's and yesterday's digest  8, 9 its text's
--       10 the subscriber's latest transactions  11 deadlines of what is owed an answer
-- ARGV  1 reference  2 dedupe window ms  3 'once': refuse a text that was seen;
--       'again': take it; 'dialogue': take it if its identity was not seen; 'answer': take it if the question still stands, and the
--       message was not seen: a YES that is delivered twice answers once
--       4 (answer) the question  5 (answer) how long its answer is remembered, ms
--       6 how long the latest transactions are listed, ms
--       7 member of the deadlines that an order of a dialogue settles
--       8.. fields of the transaction
-- Gives {'new'} | {'redelivered', reference} | {'repeated', reference} |
--       {'collision'} | {'gone'}
local ref, window, mode = ARGV[1], ARGV[2], ARGV[3]
local function seen(today, yesterday)
  return redis.call('GET', KEYS[today]) or redis.call('GET', KEYS[yesterday])
end
-- What is known of the parts of a long message from now on is their digests.
local function close_parts()
  for _, field in ipairs(redis.call('HKEYS', KEYS[4])) do
    if field:sub(1, 1) == 'p' then redis.call('HDEL', KEYS[4], field) end
  end
  if redis.call('EXISTS', KEYS[4]) == 1 then
    redis.call('HSET', KEYS[4], 'done', '1')
    redis.call('PEXPIRE', KEYS[4], window)
  end
end
local by_id, by_text = seen(6, 7), seen(8, 9)
if by_id == ref or by_text == ref then
  return {'new'}
end
if by_id and KEYS[6] ~= KEYS[8] and mode ~= 'again' then
  close_parts()
  return {'redelivered', by_id}
end
if mode == 'once' and by_text then
  return {'repeated', by_text}
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  return {'collision'}
end
if mode == 'answer' then
  if redis.call('GET', KEYS[5]) ~= ARGV[4] then
    return {'gone'} -- it was answered already, here or at another gateway
  end
  redis.call('SET', KEYS[5], 'answered ' .. ref, 'PX', ARGV[5])
end
local fields = {}
for i = 8, #ARGV do fields[#fields + 1] = ARGV[i] end
redis.call('HSET', KEYS[1], unpack(fields))
local key = redis.call('GET', KEYS[2])
if key then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'key', key)
end
redis.call('SET', KEYS[6], ref, 'PX', window)
redis.call('SET', KEYS[8], ref, 'PX', window)
close_parts()
if mode == 'dialogue' then
  redis.call('ZREM', KEYS[11], ARGV[7])
end
redis.call('LPUSH', KEYS[10], ref)
redis.call('LTRIM', KEYS[10], 0, 19)
redis.call('PEXPIRE', KEYS[10], ARGV[6])
redis.call('XADD', KEYS[3], '*', 'ref', ref)
return {'new'}
