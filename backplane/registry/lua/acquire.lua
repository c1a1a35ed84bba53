-- Take a device's presence lease from whoever holds it.
-- KEYS[1]  the account's presence hash
-- ARGV     device, node, session, lease_ms, keep_ms
-- Answers  {fence, displaced node, displaced session, displaced fence}; the last three only if live
-- The fence is the server's clock in microseconds, or one more than the last: it rises even over a
-- flush, which takes the last one away. Below 2^53, so Lua's numbers hold it exactly.
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now_ms = math.floor(now_us / 1000)
local device = ARGV[1]
local node, session, last, ends = unpack(redis.call('HMGET', KEYS[1],
    device .. ':node', device .. ':session', device .. ':fence', device .. ':until'))
local fence = math.max(tonumber(last or '0') + 1, now_us)
redis.call('HSET', KEYS[1],
    device .. ':node', ARGV[2],
    device .. ':session', ARGV[3],
    device .. ':fence', string.format('%.0f', fence),
    device .. ':until', string.format('%.0f', now_ms + ARGV[4]))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
if node and tonumber(ends) > now_ms then
    return {fence, node, session, tonumber(last)}
end
return {fence}
