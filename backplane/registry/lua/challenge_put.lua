-- The number's one live challenge; it replaces any other.
-- KEYS[1]  the number's challenge hash
-- ARGV     registration hash, code hash, attempts_max, lifetime_ms
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'registration', ARGV[1], 'code', ARGV[2], 'left', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
