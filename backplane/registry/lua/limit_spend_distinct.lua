-- Spend one for each member not seen in this window; members seen before are free.
-- KEYS[1]  the set of members seen
-- ARGV     limit, window_ms, members
-- Answers  {what is left, then 1 allowed or 0 for each member}
local limit = tonumber(ARGV[1])
local seen = redis.call('SCARD', KEYS[1])
local answer = {0}
for index = 3, #ARGV do
    local allowed = redis.call('SISMEMBER', KEYS[1], ARGV[index])
    if allowed == 0 and seen < limit then
        allowed = redis.call('SADD', KEYS[1], ARGV[index])
        seen = seen + 1
    end
    answer[#answer + 1] = allowed
end
if seen > 0 and redis.call('PTTL', KEYS[1]) < 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
answer[1] = math.max(limit - seen, 0)
return answer
