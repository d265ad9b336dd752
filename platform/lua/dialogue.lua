-- Store a dialogue, if it still is the one that was read: of two gateways that
-- step at the same time one wins, and the other's step has not happened. The same
-- call again (a client retries after a cut connection) changes nothing.
--
-- KEYS  1 dialogue
-- ARGV  1 version that was read, '' where there was none, '*' for whatever is there
--       2 new version, '' to remove it  3 the dialogue, wrapped  4 how long it is kept, ms
-- Gives 1, or 0 when it is another by now.
local version = redis.call('HGET', KEYS[1], 'v') or ''
if version == ARGV[2] then
  return 1
end
if ARGV[1] ~= '*' and version ~= ARGV[1] then
  return 0
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
  return 1
end
redis.call('HSET', KEYS[1], 'v', ARGV[2], 'd', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
