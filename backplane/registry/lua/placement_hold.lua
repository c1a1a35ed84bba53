-- A node says that it has a group call.
-- KEYS     [1] the call's node
-- ARGV     node, lifetime_ms
-- Answers  1: so it is; 0: another node has it
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then
    return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
