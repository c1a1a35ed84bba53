-- Where some devices of one account are on line.
-- KEYS[1]  the account's presence hash
-- ARGV     devices
-- Answers  for each device {node, session, fence}, or nil
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local locations = {}
for index, device in ipairs(ARGV) do
    local node, session, fence, ends = unpack(redis.call('HMGET', KEYS[1],
        device .. ':node', device .. ':session', device .. ':fence', device .. ':until'))
    local live = node and tonumber(ends) > now_ms
    locations[index] = live and {node, session, tonumber(fence)} or false
end
return locations
