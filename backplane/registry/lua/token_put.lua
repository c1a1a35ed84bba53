-- Add a token to its device's live ones; beyond the most allowed, the oldest goes.
-- KEYS[1]  the device's tokens: a sorted set of hashes by their end in microseconds
-- ARGV     token hash, lifetime_ms, tokens_max
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now_us))
redis.call('ZREM', KEYS[1], ARGV[1])
local surplus = redis.call('ZCARD', KEYS[1]) + 1 - ARGV[3]
if surplus > 0 then
    redis.call('ZREMRANGEBYRANK', KEYS[1], 0, surplus - 1)
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now_us + ARGV[2] * 1000), ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
