-- Extend a lease by its full life, or bring it back if it is gone, unless a newer fence is known.
-- KEYS[1]  the account's presence hash
-- ARGV     device, node, session, fence, lease_ms, keep_ms
-- Answers  1 renewed, 0 displaced or released
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local device = ARGV[1]
local last = tonumber(redis.call('HGET', KEYS[1], device .. ':fence') or '0')
if last > tonumber(ARGV[4]) then
    return 0
end
redis.call('HSET', KEYS[1],
    device .. ':node', ARGV[2],
    device .. ':session', ARGV[3],
    device .. ':fence', ARGV[4],
    device .. ':until', string.format('%.0f', now_ms + ARGV[5]))
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
