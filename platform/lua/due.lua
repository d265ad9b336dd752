-- Put entries that are due back into the outbox.
--
-- KEYS  1 outbox  2 later (sorted set: due, ms)  3 later:entries (hash)
-- ARGV  1 now ms (unix), or '+inf' for all  2 how many at most
-- Gives how many there were, and how many are left.
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
-- In the order in which they came beside the stream.
local function before(a, b)
  local am, an = string.match(a, '(%d+)-(%d+)')
  local bm, bn = string.match(b, '(%d+)-(%d+)')
  if am ~= bm then
    return tonumber(am) < tonumber(bm)
  end
  return tonumber(an) < tonumber(bn)
end
table.sort(due, before)
for _, id in ipairs(due) do
  local entry = redis.call('HGET', KEYS[3], id)
  if entry then
    redis.call('XADD', KEYS[1], '*', 'later', entry)
    redis.call('HDEL', KEYS[3], id)
  end
  redis.call('ZREM', KEYS[2], id)
end
return {#due, redis.call('ZCARD', KEYS[2])}
