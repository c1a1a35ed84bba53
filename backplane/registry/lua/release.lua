-- End a lease unless a newer fence is known, and note when the account was last seen.
-- KEYS[1]  the account's presence hash
-- ARGV     device, fence, at_ms, keep_ms
-- Answers  1 if it was this lease, else 0
-- The fence moves on by one, so that a renewal already under way cannot bring the lease back.
local device = ARGV[1]
local seen = tonumber(redis.call('HGET', KEYS[1], 'seen') or '0')
if tonumber(ARGV[3]) > seen then
    redis.call('HSET', KEYS[1], 'seen', ARGV[3])
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
local last = tonumber(redis.call('HGET', KEYS[1], device .. ':fence') or '0')
if last > tonumber(ARGV[2]) then
    return 0
end
redis.call('HDEL', KEYS[1], device .. ':node', device .. ':session', device .. ':until')
redis.call('HSET', KEYS[1], device .. ':fence', string.format('%.0f', ARGV[2] + 1))
return 1
