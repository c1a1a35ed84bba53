-- End every token of a device.
-- KEYS[1]  the device's tokens: a sorted set of hashes by their end in microseconds
-- Answers  how many were live
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local live = redis.call('ZCOUNT', KEYS[1], '(' .. string.format('%.0f', now_us), '+inf')
redis.call('DEL', KEYS[1])
return live
