-- Use an account's link code up.
-- KEYS[1]  the account's live link code
-- ARGV     code hash
-- Answers  1 if it was that one, else 0
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
return redis.call('DEL', KEYS[1])
