-- One try at a code, counted before it is compared; the right one uses the challenge up.
-- KEYS[1]  the number's challenge hash
-- ARGV     registration hash, code hash
-- Answers  1 right, 0 wrong, dead, replaced or gone
local registration, code, left = unpack(redis.call('HMGET', KEYS[1], 'registration', 'code', 'left'))
if registration ~= ARGV[1] or tonumber(left) < 1 then
    return 0
end
redis.call('HINCRBY', KEYS[1], 'left', -1)
if code ~= ARGV[2] then
    return 0
end
redis.call('DEL', KEYS[1])
return 1
