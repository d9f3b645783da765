-- disk: how full a file system is. Used by steps: local disk = require("disk")
local disk = {}

--- Percent used of the file system that holds `path` on `host`.
function disk.used(host, path)
    local df = ssh(host):run{"df", "-P", "--", path}
    local used = tonumber(df.stdout:match("(%d+)%%"))
    check(used, "df said nothing about " .. path)
    return used
end

return disk
