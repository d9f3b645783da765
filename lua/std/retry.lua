-- retry(f [, opts]) → what f returned
-- Calls `f` until it does not raise. The last error is raised as it is.
-- @param f fun(): ...
-- @param opts? RetryOptions
-- @return any ... what f returned
-- @raise misuse, and the last error as it is
-- @example
--     retry(function() ssh("db-1"):run{"apt-get", "update"} end, {attempts = 5, delay = "10s"})

-- @class RetryOptions
-- Options of `retry`.
-- @field attempts? integer in total; 3
-- @field delay? Duration between them; `"1s"`

local engine = ...
local pcall, type, error, sleep = pcall, type, error, sleep
local math_type, table_pack, table_unpack = math.type, table.pack, table.unpack
local names = {"attempts", "delay"}

local function retry(f, opts)
    if type(f) ~= "function" then engine.misuse("retry needs a function as its first argument, not " .. type(f)) end
    opts = opts == nil and {} or opts
    if type(opts) ~= "table" then engine.misuse("the options of retry must be a table like {attempts = 3}") end
    engine.known(opts, "retry", names)
    local attempts = opts.attempts == nil and 3 or opts.attempts
    if math_type(attempts) ~= "integer" or attempts < 1 or attempts > 1000 then
        engine.misuse("option 'attempts' of retry must be a whole number from 1 to 1000")
    end
    local delay_ms = engine.duration(opts.delay == nil and 1 or opts.delay, "option 'delay' of retry")
    for attempt = 1, attempts do
        local got = table_pack(pcall(f))
        if got[1] then return table_unpack(got, 2, got.n) end
        if attempt == attempts then error(got[2], 0) end
        sleep(delay_ms / 1000)
    end
end

return retry
