-- Whether any device of an account is on line, and when one was last.
-- KEYS[1]  the account's presence hash
-- ARGV     lease_ms
-- Answers  {1 on line or 0, last seen in ms or nil}
-- A lease that ended by itself was last renewed one lease's life before its end.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local fields = redis.call('HGETALL', KEYS[1])
local online, seen = 0, -1
for index = 1, #fields, 2 do
    local name, value = fields[index], fields[index + 1]
    if name == 'seen' then
        seen = math.max(seen, tonumber(value))
    elseif name:sub(-6) == ':until' then
        if tonumber(value) > now_ms then
            online = 1
        else
            seen = math.max(seen, value - ARGV[1])
        end
    end
end
return {online, seen >= 0 and seen}
