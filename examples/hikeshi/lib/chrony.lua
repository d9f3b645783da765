-- chrony: how well a clock is kept. Used by steps: local chrony = require("chrony")
local chrony = {}

local function words(line)
    local list = {}
    for word in (line .. ","):gmatch("([^,]*),") do list[#list + 1] = word end
    return list
end

--- {offset (seconds; the clock is ahead when positive), leap ("Normal", "Not synchronised"), stratum}.
function chrony.tracking(host)
    local fields = words(ssh(host):run{"chronyc", "-c", "tracking"}.stdout:match("[^\n]+"))
    return {stratum = tonumber(fields[3]), offset = tonumber(fields[5]), leap = fields[14]}
end

--- The time servers: {name, state ("*" is the one in use, "?" does not answer), reach (8 bits, octal: the last eight tries)}.
function chrony.sources(host)
    local list = {}
    for line in ssh(host):run{"chronyc", "-c", "-n", "sources"}.stdout:gmatch("[^\n]+") do
        local fields = words(line)
        list[#list + 1] = {name = fields[3], state = fields[2], reach = fields[6]}
    end
    return list
end

return chrony
