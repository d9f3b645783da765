-- parallel(f, g, ...) → values
-- Runs the functions at the same time and returns the first value of each, in order. When one fails, the others run
-- to their end; then the first error is raised. Cannot be used inside a callback of `table.sort` or `string.gsub`, or
-- in a metamethod.
-- @param ... fun(): any
-- @return any ... values
-- @raise misuse, and the first error as it is
-- @example
--     local load_text, disk_text = parallel(
--       function() return ssh("db-1"):run{"uptime"}.stdout end,
--       function() return ssh("db-1"):run{"df", "-P", "/"}.stdout end)
local engine = ...
local type, select, error, table_unpack = type, select, error, table.unpack

local function parallel(...)
    local count = select("#", ...)
    local functions = {...}
    for i = 1, count do
        if type(functions[i]) ~= "function" then
            engine.misuse("parallel needs functions; argument " .. i .. " is a " .. type(functions[i]))
        end
    end
    local position, values, failed, first_error = {}, {}, false, nil
    for i = 1, count do position[engine.spawn(functions[i])] = i end
    for _ = 1, count do
        local id, fine, value = engine.wait()
        if fine then
            values[position[id]] = value
        elseif not failed then
            failed, first_error = true, value
        end
    end
    if failed then error(first_error, 0) end
    return table_unpack(values, 1, count)
end

return parallel
