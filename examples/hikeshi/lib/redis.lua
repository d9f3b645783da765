-- redis: what a Redis server says of itself. Used by steps: local redis = require("redis")
local redis = {}

--- One section of INFO as a table: redis.info("cache-1", "memory").used_memory. Values are text.
function redis.info(host, section)
    local answer = ssh(host):run{"redis-cli", "INFO", section}
    local info = {}
    for key, value in answer.stdout:gmatch("([%w_]+):([^\r\n]*)") do info[key] = value end
    check(next(info), "Redis said nothing: " .. answer.stdout)
    return info
end

--- Changes one setting until the next restart.
function redis.set(host, name, value)
    local answer = ssh(host):run{"redis-cli", "CONFIG", "SET", name, value}
    check(answer.stdout:match("^OK"), "Redis refused: " .. answer.stdout)
end

return redis
