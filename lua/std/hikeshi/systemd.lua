-- systemd: units of a host, asked and changed with systemctl and journalctl. A unit's name is passed as one exact word: patterns
-- like 'app*', which systemctl would expand to many units, are refused.
local engine = ...
local arguments = engine.part("arguments")
local tonumber = tonumber
local gmatch, match = string.gmatch, string.match
local systemd = {}

local properties = {"Id", "Description", "LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "MainPID", "NRestarts",
                    "ExecMainStatus", "MemoryCurrent"}

local function unit_name(unit)
    arguments.word(unit, "the unit", "[%w:_.@\\-]+", "the name of one unit, like app.service")
    if #unit > 255 then engine.misuse("the unit's name is longer than 255 bytes") end
    return unit
end

---@class hikeshi.systemd.Unit
---@field name string  with its suffix: `app.service`
---@field description string
---@field load string  `loaded`, `masked`, `error`, …
---@field active string  `active`, `inactive`, `failed`, `activating`, `deactivating`, `reloading`
---@field sub string  `running`, `exited`, `dead`, `auto-restart`, …
---@field enabled string  `enabled`, `disabled`, `static`, …
---@field result string  why it ended: `success`, `exit-code`, `signal`, `oom-kill`, `timeout`, …
---@field pid integer?  of the main process, while it runs
---@field restarts integer  how often systemd has started it again by itself
---@field exit_code integer?  of the main process that ended last
---@field memory integer?  bytes, where systemd counts them

--- What systemd knows of one unit. Raises `not_found` when there is no such unit.
---@param host string|table  a host, or what `ssh()` returned
---@param unit string  `app` is `app.service`
---@return hikeshi.systemd.Unit
function systemd.unit(host, unit)
    local handle = arguments.handle(host)
    local argv = {"systemctl", "show", "--property=" .. table.concat(properties, ","), "--", unit_name(unit)}
    local result = arguments.run(handle, argv)
    local seen = {}
    for key, value in gmatch(result.stdout, "([%w]+)=([^\n]*)") do seen[key] = value end
    if not seen.LoadState then engine.raise("parse", result.host, "systemctl said nothing about the unit '" .. unit .. "'", result) end
    if seen.LoadState == "not-found" then engine.raise("not_found", result.host, "there is no unit '" .. unit .. "' on " .. result.host) end
    local pid, memory = tonumber(seen.MainPID), tonumber(seen.MemoryCurrent)
    return {
        name = seen.Id, description = seen.Description, load = seen.LoadState, active = seen.ActiveState, sub = seen.SubState,
        enabled = seen.UnitFileState, result = seen.Result, pid = pid ~= 0 and pid or nil, restarts = tonumber(seen.NRestarts) or 0,
        exit_code = tonumber(seen.ExecMainStatus),
        memory = memory and memory < 2 ^ 60 and memory or nil, -- "not counted" is 2^64 - 1
    }
end

--- The units that are in the state `failed`.
---@param host string|table
---@return {name: string, load: string, active: string, sub: string, description: string}[]
function systemd.failed(host)
    local handle, list = arguments.handle(host), {}
    local argv = {"systemctl", "list-units", "--all", "--state=failed", "--plain", "--full", "--no-legend", "--no-pager"}
    local result = arguments.run(handle, argv)
    for line in gmatch(result.stdout, "[^\n]+") do
        local name, load, active, sub, description = match(line, "^%s*([%w:_.@\\-]+)%s+(%S+)%s+(%S+)%s+(%S+)%s*(.-)%s*$")
        if not name then engine.raise("parse", result.host, "systemctl list-units printed a line that is no unit: " .. line, result) end
        list[#list + 1] = {name = name, load = load, active = active, sub = sub, description = description}
    end
    return list
end

--- Whether the unit is `active`; one that is starting is not. Raises `not_found` when there is no such unit.
---@param host string|table
---@param unit string
---@return boolean
function systemd.is_active(host, unit)
    return systemd.unit(host, unit).active == "active"
end

local function change(verb, host, unit, opts)
    opts = arguments.options(opts, "systemd." .. verb, {"sudo", "timeout"})
    local sudo = opts.sudo == nil or opts.sudo
    arguments.handle(host):run({"systemctl", verb, "--no-ask-password", "--", unit_name(unit)}, {sudo = sudo, timeout = opts.timeout})
end

--- Starts the unit, and waits until systemd says that it has started. opts: `sudo` (true), `timeout`.
---@param host string|table
---@param unit string
---@param opts? {sudo?: boolean|string, timeout?: number|string}
function systemd.start(host, unit, opts) return change("start", host, unit, opts) end

--- Stops the unit. opts: `sudo` (true), `timeout`.
---@param host string|table
---@param unit string
---@param opts? {sudo?: boolean|string, timeout?: number|string}
function systemd.stop(host, unit, opts) return change("stop", host, unit, opts) end

--- Stops and starts the unit. opts: `sudo` (true), `timeout`.
---@param host string|table
---@param unit string
---@param opts? {sudo?: boolean|string, timeout?: number|string}
function systemd.restart(host, unit, opts) return change("restart", host, unit, opts) end

--- Asks the unit to read its configuration again. opts: `sudo` (true), `timeout`.
---@param host string|table
---@param unit string
---@param opts? {sudo?: boolean|string, timeout?: number|string}
function systemd.reload(host, unit, opts) return change("reload", host, unit, opts) end

--- Forgets that the unit has failed, and how often it was started: a unit that hit its start limit can be started again. opts: `sudo`
--- (true), `timeout`.
---@param host string|table
---@param unit string
---@param opts? {sudo?: boolean|string, timeout?: number|string}
function systemd.reset_failed(host, unit, opts) return change("reset-failed", host, unit, opts) end

--- Waits until the unit is active, and still is after `stable` without having been restarted. Raises `check_failed` when it fails,
--- `timeout` when it takes too long. opts: `timeout` ("1m"), `every` ("2s"), `stable` ("0s").
---@param host string|table
---@param unit string
---@param opts? {timeout?: number|string, every?: number|string, stable?: number|string}
---@return hikeshi.systemd.Unit
function systemd.wait_active(host, unit, opts)
    opts = arguments.options(opts, "systemd.wait_active", {"timeout", "every", "stable"})
    local handle, seen = arguments.handle(host), nil
    local stable = engine.duration(opts.stable == nil and 0 or opts.stable, "option 'stable' of systemd.wait_active") / 1000
    local function look()
        seen = systemd.unit(handle, unit)
        check(seen.active ~= "failed", seen.name .. " has failed (" .. seen.result .. ")")
        return seen.active == "active"
    end
    wait_until(look, {timeout = opts.timeout == nil and "1m" or opts.timeout, every = opts.every == nil and "2s" or opts.every})
    if stable > 0 then
        local restarts = seen.restarts
        sleep(stable)
        check(look() and seen.restarts == restarts, string.format("%s did not stay up for %g s", seen.name, stable))
    end
    return seen
end

--- The last lines of the unit's journal, as text. opts: `lines` (50), `sudo` (false: the user needs to be in the group
--- `systemd-journal` or `adm`), `since` (text as journalctl takes it: `-1h`, `2026-11-22 03:00:00`).
---@param host string|table
---@param unit string
---@param opts? {lines?: integer, since?: string, sudo?: boolean|string}
---@return string
function systemd.journal(host, unit, opts)
    opts = arguments.options(opts, "systemd.journal", {"lines", "since", "sudo"})
    local lines = arguments.whole(opts.lines == nil and 50 or opts.lines, "option 'lines' of systemd.journal", 1, 10000)
    local argv = {"journalctl", "--no-pager", "--quiet", "--output=short-iso", "--lines=" .. lines, "--unit=" .. unit_name(unit)}
    if opts.since then argv[#argv + 1] = "--since=" .. arguments.line(opts.since, "option 'since' of systemd.journal") end
    return arguments.handle(host):run(argv, {sudo = opts.sudo}).stdout
end

return systemd
