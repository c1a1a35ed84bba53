-- A node has a group call no more.
-- KEYS     [1] the call's node
-- ARGV     node
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
end
