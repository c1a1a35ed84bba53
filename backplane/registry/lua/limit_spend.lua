-- Spend from all budgets or from none. A window starts with its first spending.
-- KEYS     one counter per budget
-- ARGV     amount, then limit and window_ms of each budget
-- Answers  {} when spent, else {index of the first budget with too little, ms until its window ends}
local amount = tonumber(ARGV[1])
for index, key in ipairs(KEYS) do
    local spent = tonumber(redis.call('GET', key) or '0')
    if spent + amount > tonumber(ARGV[2 * index]) then
        local rest_ms = redis.call('PTTL', key)
        return {index, rest_ms > 0 and rest_ms or tonumber(ARGV[2 * index + 1])}
    end
end
for index, key in ipairs(KEYS) do
    redis.call('INCRBY', key, amount)
    if redis.call('PTTL', key) < 0 then
        redis.call('PEXPIRE', key, ARGV[2 * index + 1])
    end
end
return {}
