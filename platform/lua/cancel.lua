-- Take a question back, unless it was answered.
--
-- KEYS  1 question
-- Gives 'none' | 'cancelled' | the reference of the transaction that YES began
local q = redis.call('GET', KEYS[1])
if not q then
  return 'none'
end
local ref = q:match('^answered (%w+)$')
if ref then
  return ref
end
redis.call('DEL', KEYS[1])
return 'cancelled'
