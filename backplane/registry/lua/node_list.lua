-- What the live nodes say of themselves; the dead ones are forgotten.
-- KEYS     [1] nodes by their end in ms, [2] what each says of itself
-- Answers  descriptions
local time = redis.call('TIME')
local now_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms)) do
    redis.call('ZREM', KEYS[1], node)
    redis.call('HDEL', KEYS[2], node)
end
return redis.call('HVALS', KEYS[2])
