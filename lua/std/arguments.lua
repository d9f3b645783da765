-- arguments: what the modules of std/hikeshi check before anything reaches a host. Values come from alerts, so each is hostile: it is
-- passed as one exact word, or refused by name.
local engine = ...
local type, ssh, tostring, rawget = type, ssh, tostring, rawget
local math_type, utf8_len, string_find, string_sub = math.type, utf8.len, string.find, string.sub
local arguments = {}

local function quoted(value)
    return "'" .. string_sub(tostring(value), 1, 100) .. "'"
end

--- Text that matches the Lua pattern as a whole; `what` names it, `needs` says what it must be.
function arguments.word(value, what, pattern, needs)
    if type(value) ~= "string" then engine.misuse(what .. " must be text, not " .. type(value)) end
    if #value > 1000 or not string_find(value, "^" .. pattern .. "$") then
        engine.misuse(what .. " must be " .. needs .. ", not " .. quoted(value))
    end
    return value
end

--- Text of one line, any letters.
function arguments.line(value, what)
    if type(value) ~= "string" then engine.misuse(what .. " must be text, not " .. type(value)) end
    if value == "" or string_find(value, "%c") or not utf8_len(value) then
        engine.misuse(what .. " must be one line of UTF-8, not " .. quoted(value))
    end
    return value
end

function arguments.whole(value, what, low, high)
    if math_type(value) ~= "integer" or value < low or value > high then
        engine.misuse(what .. " must be a whole number from " .. low .. " to " .. high .. ", not " .. quoted(value))
    end
    return value
end

--- The options of `name`: a table, or nothing; `known` lists the keys it may have.
function arguments.options(opts, name, known)
    if opts == nil then return {} end
    if type(opts) ~= "table" then engine.misuse("the options of " .. name .. " must be a table") end
    engine.known(opts, name, known)
    return opts
end

--- A handle for commands: what ssh() returned, or anything that ssh() takes. The handle's own defaults (sudo, timeout) hold.
function arguments.handle(host)
    if type(host) == "userdata" then return host end
    return ssh(host)
end

--- `self` is what `maker` returned: a method was called with a colon.
function arguments.own(self, maker, example)
    if type(self) ~= "table" or rawget(self, "handle") == nil then
        engine.misuse("call it with a colon, as in " .. example .. ", on what " .. maker .. " returned")
    end
end

--- Runs a command whose whole answer is needed.
function arguments.run(handle, argv, opts)
    local result = handle:run(argv, opts)
    if result.truncated then
        engine.raise("too_large", result.host, "'" .. argv[1] .. "' printed more than is kept of an output (1 MiB): ask for less")
    end
    return result
end

return arguments
