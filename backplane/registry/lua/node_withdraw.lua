-- A node leaves.
-- KEYS     [1] nodes by their end in ms, [2] what each says of itself
-- ARGV     node
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
