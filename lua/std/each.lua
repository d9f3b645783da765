-- each(list, f [, opts]) → result
-- Calls `f(item, index)` for each item, several at the same time. Every item is recorded as it ends. An item's name
-- is its text, the name of a host object, else its position. When an item failed, `each` raises the first one's code
-- with a summary, and the result as the error's `result`, unless `keep_going`. Cannot be used inside a callback of
-- `table.sort` or `string.gsub`, or in a metamethod.
-- @param list any[]
-- @param f fun(item: any, index: integer): any
-- @param opts? EachOptions
-- @return EachResult result
-- @raise misuse, and the code of the first item that failed
-- @example
--     local r = each(hosts{role = "web"}, function(h)
--       ssh(h):run({"systemctl", "restart", "app"}, {sudo = true})
--     end, {at_once = 5, canary = 1})
--     log(#r.ok, "done")

-- @class EachOptions
-- Options of `each`.
-- @field at_once? integer how many at the same time; 10
-- @field canary? integer so many first; the others only when all of these are fine
-- @field waves? (integer|string)[] a list of sizes, numbers or percents, `{1, 5, "25%"}`: each wave begins when the one before has ended; the last size repeats. Not with `canary`
-- @field stop_after? integer failures after which nothing more starts; 1
-- @field max_percent? integer the same, in percent of the items
-- @field keep_going? boolean `true`: start everything, and do not raise

-- @class EachResult
-- What `each` gave; `result[name]` is what `f` returned for the item, or its error.
-- @field ok string[] names of the items that are fine, like all lists here in the order of the given list
-- @field failed string[] names of those that failed
-- @field not_reached string[] names of those that never started
-- @field skipped string[] names of those that an earlier run has done, in a run of what failed there (`hikeshi runs rerun --failed`)
-- @field [string] any

local engine = ...
local pcall, type, tostring, rawget, next, ipairs = pcall, type, tostring, rawget, next, ipairs
local math_type, math_min, math_max, math_ceil, math_huge = math.type, math.min, math.max, math.ceil, math.huge
local math_tointeger, tonumber, string_match = math.tointeger, tonumber, string.match
local names = {"at_once", "canary", "waves", "stop_after", "max_percent", "keep_going"}

local function whole(opts, name, fallback, high)
    local value = opts[name]
    if value == nil then return fallback end
    if math_type(value) ~= "integer" or value < 1 or value > high then
        engine.misuse("option '" .. name .. "' of each must be a whole number from 1 to " .. high)
    end
    return value
end

local function percent_of(count, percent)
    return math_max(1, math_ceil(count * percent / 100))
end

local function wave_size(size, count)
    if math_type(size) == "integer" and size >= 1 then return size end
    local percent = type(size) == "string" and math_tointeger(tonumber(string_match(size, "^(%d+)%%$")))
    if not percent or percent < 1 or percent > 100 then
        engine.misuse("option 'waves' of each must be a list of whole numbers and percents like {1, 5, \"25%\"}")
    end
    return percent_of(count, percent)
end

-- How many items there are up to the end of each wave.
local function read_waves(opts, count)
    local waves = opts.waves
    if waves == nil then return {} end
    if type(waves) ~= "table" or #waves == 0 then waves = {false} end
    if opts.canary ~= nil then engine.misuse("give each canary or waves, not both") end
    local ends, last = {}, 0
    for _, size in ipairs(waves) do wave_size(size, count) end
    while last < count do
        last = last + wave_size(waves[math_min(#ends + 1, #waves)], count)
        ends[#ends + 1] = last
    end
    return ends
end

local function read_options(opts, count)
    opts = opts == nil and {} or opts
    if type(opts) ~= "table" then engine.misuse("the options of each must be a table like {at_once = 5}") end
    engine.known(opts, "each", names)
    if opts.keep_going ~= nil and type(opts.keep_going) ~= "boolean" then
        engine.misuse("option 'keep_going' of each must be true or false")
    end
    local percent = whole(opts, "max_percent", nil, 100)
    local stop_after = whole(opts, "stop_after", percent and math_huge or 1, 1000000)
    if percent then stop_after = math_min(stop_after, percent_of(count, percent)) end
    return {
        at_once = whole(opts, "at_once", 10, 1000),
        canary = whole(opts, "canary", 0, 1000000),
        wave_ends = read_waves(opts, count),
        stop_after = opts.keep_going and math_huge or stop_after,
        keep_going = opts.keep_going,
    }
end

local function name_of(item, index)
    if type(item) == "string" then return item end
    if type(item) == "table" and type(item.name) == "string" then return item.name end
    return tostring(index)
end

local function describe(e)
    if type(e) == "table" and type(rawget(e, "message")) == "string" then
        local code, host = rawget(e, "code"), rawget(e, "host")
        return e.message, type(code) == "string" and code or "lua", type(host) == "string" and host or nil
    end
    local fine, text = pcall(tostring, e)
    if not fine then text = "an error value that cannot be shown" end
    return text, text == "not enough memory" and "memory" or "lua"
end

local function run_item(call, f, item, index, name)
    local started = engine.clock()
    local fine, value = pcall(f, item, index)
    local message, code
    if not fine then message, code = describe(value) end
    engine.item(call, name, fine and "ok" or "failed", code, message, engine.clock() - started)
    return {fine = fine, value = value}
end

local function raise_failures(result, first, count)
    local message, code, host = describe(first.error)
    local text = #result.failed .. " of " .. count .. " failed"
    if #result.not_reached > 0 then text = text .. ", " .. #result.not_reached .. " not started" end
    engine.raise(code, host, text .. "; first " .. first.name .. ": " .. message, result)
end

local function each(list, f, opts)
    if type(list) ~= "table" then engine.misuse("each needs a list as its first argument, not " .. type(list)) end
    if type(f) ~= "function" then engine.misuse("each needs a function as its second argument, not " .. type(f)) end
    local call, done = engine.begin()
    local items, positions, skipped = {}, {}, {}
    for position, item in ipairs(list) do
        local name = name_of(item, position)
        local reason = done and done[name]
        if reason then
            skipped[#skipped + 1] = name
            engine.skip(call, name, reason)
        else
            items[#items + 1], positions[#items + 1] = item, position
        end
    end
    local options = read_options(opts, #items)
    local result = {ok = {}, failed = {}, not_reached = {}, skipped = skipped}
    local lists = {ok = result.ok, failed = result.failed, not_reached = result.not_reached, skipped = skipped}
    local started, running, failures, index_of, fine_at, first = 0, 0, 0, {}, {}, nil

    local function wave_is_open()
        local ended = started - running
        for _, wave_end in ipairs(options.wave_ends) do
            if wave_end <= started and ended < wave_end then return false end
        end
        return true
    end

    local function may_start()
        if not wave_is_open() then return false end
        if started >= #items or running >= options.at_once or failures >= options.stop_after then return false end
        if started < options.canary then return true end
        return options.canary == 0 or started - running >= options.canary and (options.keep_going or failures == 0)
            or started > options.canary
    end

    local function note(index, fine, value)
        local name = name_of(items[index], positions[index])
        fine_at[index] = fine
        if not fine then
            failures = failures + 1
            first = first or {name = name, error = value}
        end
        if not lists[name] then result[name] = value end -- a host called "ok" does not hide the list
    end

    repeat
        while may_start() do
            started, running = started + 1, running + 1
            index_of[engine.spawn(run_item, call, f, items[started], positions[started], name_of(items[started], positions[started]))] = started
        end
        if running > 0 then
            local id, alive, outcome = engine.wait()
            running = running - 1
            if alive then
                note(index_of[id], outcome.fine, outcome.value)
            else
                note(index_of[id], false, outcome) -- recording it failed
            end
        end
    until running == 0 and not may_start()

    for index = 1, #items do
        local name, fine = name_of(items[index], positions[index]), fine_at[index]
        local bucket = fine and lists.ok or fine == false and lists.failed or lists.not_reached
        bucket[#bucket + 1] = name
        if fine == nil then engine.item(call, name, "not_reached", nil, nil, 0) end
    end
    if first and not options.keep_going then raise_failures(lists, first, #items) end
    return result
end

return each
