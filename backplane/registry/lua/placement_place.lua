-- A group call goes to a node, unless it is on one.
-- KEYS     [1] the call's node
-- ARGV     node, lifetime_ms
-- Answers  the node that has it
local held = redis.call('GET', KEYS[1])
if held then
    return held
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
