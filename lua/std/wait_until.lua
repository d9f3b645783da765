-- wait_until(f [, opts]) → what f returned
-- Calls `f` until it returns something true.
-- @param f fun(): any
-- @param opts? WaitOptions
-- @return any value
-- @raise timeout
-- @example
--     wait_until(function()
--       return ssh("db-1"):run({"systemctl", "is-active", "app"}, {check = false}).code == 0
--     end, {every = "5s", timeout = "2m"})

-- @class WaitOptions
-- Options of `wait_until`.
-- @field every? Duration between calls; `"5s"`
-- @field timeout? Duration of the whole; `"5m"`

local engine = ...
local type, sleep, math_min = type, sleep, math.min
local names = {"every", "timeout"}

local function wait_until(f, opts)
    if type(f) ~= "function" then engine.misuse("wait_until needs a function as its first argument, not " .. type(f)) end
    opts = opts == nil and {} or opts
    if type(opts) ~= "table" then engine.misuse("the options of wait_until must be a table like {every = \"5s\"}") end
    engine.known(opts, "wait_until", names)
    local every_ms = engine.duration(opts.every == nil and 5 or opts.every, "option 'every' of wait_until")
    local timeout_ms = engine.duration(opts.timeout == nil and 300 or opts.timeout, "option 'timeout' of wait_until")
    local deadline = engine.clock() + timeout_ms
    while true do
        local value = f()
        if value then return value end
        local left = deadline - engine.clock()
        if left <= 0 then
            engine.raise("timeout", nil, "wait_until: the condition was not met within " .. timeout_ms / 1000 .. " s")
        end
        sleep(math_min(every_ms, left) / 1000)
    end
end

return wait_until
