-- psql: PostgreSQL on a host, asked with psql (version 12 or later). Values reach a query only as :'name', which psql quotes; the text of
-- a query is the runbook's own.
--
-- The text goes to psql's standard input, because psql puts no variables into what -c gives it. A backslash in it is refused: there psql
-- would take it for a command of its own, and one of those runs a shell.
local engine = ...
local arguments = engine.part("arguments")
local type, tostring, tonumber, pairs, ipairs, setmetatable = type, tostring, tonumber, pairs, ipairs, setmetatable
local find, gmatch, match, sub, byte, format = string.find, string.gmatch, string.match, string.sub, string.byte, string.format
local math_type, utf8_len = math.type, utf8.len
local concat, sort = table.concat, table.sort
local QUOTE, COMMA = 34, 44
local NULL = "\\N"
local psql = {}

-- CSV ----------------------------------------------------------------------------------------------------------------------------

-- A quoted field that opens at `from` - 1: its text, and where it ends.
local function quoted_field(text, from)
    local parts = {}
    while true do
        local quote = find(text, '"', from, true)
        if not quote then engine.raise("parse", nil, "the CSV ends within a quoted field") end
        parts[#parts + 1] = sub(text, from, quote - 1)
        if byte(text, quote + 1) ~= QUOTE then return concat(parts), quote + 1 end
        parts[#parts + 1], from = '"', quote + 2
    end
end

--- Reads CSV: a list of records, each a list of texts. Raises `parse` for a quote that is not closed.
---@param text string
---@return string[][]
function psql.csv(text)
    local records, record, at = {}, {}, 1
    if type(text) ~= "string" then engine.misuse("psql.csv needs text, not " .. type(text)) end
    while at <= #text do
        local field
        if byte(text, at) == QUOTE then
            field, at = quoted_field(text, at + 1)
        else
            local stop = find(text, "[,\n]", at) or #text + 1
            field, at = sub(text, at, stop - 1), stop
        end
        record[#record + 1] = field
        if byte(text, at) ~= COMMA then
            records[#records + 1], record = record, {}
        elseif at == #text then
            record[#record + 1] = ""
        end
        at = at + 1
    end
    if #record > 0 then records[#records + 1] = record end
    return records
end

-- The first record has the columns' names.
local function to_rows(records, result)
    local columns, rows = records[1] or {}, {}
    for i = 2, #records do
        local row = {}
        if #records[i] ~= #columns then
            engine.raise("parse", result.host, "psql printed rows of different lengths: give one statement at a time", result)
        end
        for k, column in ipairs(columns) do
            if records[i][k] ~= NULL then row[column] = records[i][k] end
        end
        rows[i - 1] = row
    end
    return rows, columns
end

-- Values -------------------------------------------------------------------------------------------------------------------------

local function to_text(name, value)
    if math_type(value) == "float" then return format("%.17g", value) end
    if type(value) == "number" or type(value) == "boolean" then return tostring(value) end
    if type(value) ~= "string" then
        engine.misuse("the value '" .. name .. "' must be text, a number or a boolean, not " .. type(value))
    end
    if not utf8_len(value) or find(value, "\0", 1, true) then
        engine.misuse("the value '" .. name .. "' must be UTF-8 without NUL bytes")
    end
    return value
end

-- Every value is used, every name has one, and none would be spliced into the text as it is, which :name without quotes does.
local function check_text(sql, values)
    local used = {}
    if type(sql) ~= "string" or not find(sql, "%S") then engine.misuse("the query must be text") end
    if find(sql, "[\\\0]") then
        engine.misuse("the query holds a backslash or a NUL byte; psql takes a backslash for a command of its own, so give it as a value")
    end
    for colons, quote, name in gmatch(sql, "(:+)(['\"]?)([%a_][%w_]*)") do
        local variable = #colons % 2 == 1 -- "::" is a cast
        local given = variable and values[name] ~= nil
        if given and quote ~= "'" then
            engine.misuse("write :'" .. name .. "' in the query: otherwise the value would become part of its text")
        end
        if variable and quote == "'" and not given then engine.misuse("the query has :'" .. name .. "', and no value of that name") end
        if given then used[name] = true end
    end
    for name in pairs(values) do
        if not used[name] then engine.misuse("the query has no :'" .. tostring(name) .. "', but a value of that name is given") end
    end
end

local function value_words(values)
    local names, words = {}, {}
    for name in pairs(values) do
        names[#names + 1] = arguments.word(name, "a value's name", "[a-z][a-z0-9_]*", "small letters, digits and _")
    end
    sort(names)
    for i, name in ipairs(names) do words[i] = "--set=" .. name .. "=" .. to_text(name, values[name]) end
    return words
end

-- Connections --------------------------------------------------------------------------------------------------------------------

---@class hikeshi.psql.Database
local database = {}
local metatable = {__index = database, __metatable = "protected", __name = "psql"}

-- Keys of the options and how psql is told.
local function connection_words(opts)
    local words = {}
    local function add(option, text) words[#words + 1] = "--" .. option .. "=" .. text end
    if opts.database then
        local name = arguments.line(opts.database, "option 'database' of psql.open")
        if find(name, "=", 1, true) or find(name, "://", 1, true) then
            engine.misuse("option 'database' of psql.open must be a name; psql would read '" .. name .. "' as settings of a connection")
        end
        add("dbname", name)
    end
    if opts.user then add("username", arguments.line(opts.user, "option 'user' of psql.open")) end
    if opts.server then add("host", arguments.line(opts.server, "option 'server' of psql.open")) end
    if opts.port then add("port", tostring(arguments.whole(opts.port, "option 'port' of psql.open", 1, 65535))) end
    return words
end

--- What queries are sent with. Nothing is connected yet. opts: `database`, `user`, `server` (a name, address or socket folder), `port`:
--- what is not given, psql decides; `sudo` (`"postgres"` to ask as that user); `timeout` of a query ("30s"). psql never asks for a password:
--- it takes one from `~/.pgpass`.
---@param host string|table|userdata  where psql runs
---@param opts? {database?: string, user?: string, server?: string, port?: integer, sudo?: boolean|string, timeout?: number|string}
---@return hikeshi.psql.Database
function psql.open(host, opts)
    opts = arguments.options(opts, "psql.open", {"database", "user", "server", "port", "sudo", "timeout"})
    local timeout_ms = engine.duration(opts.timeout == nil and 30 or opts.timeout, "option 'timeout' of psql.open")
    return setmetatable({handle = arguments.handle(host), words = connection_words(opts), sudo = opts.sudo, timeout_ms = timeout_ms}, metatable)
end

local function run(self, more, sql, values)
    values = values == nil and {} or values
    if type(values) ~= "table" then engine.misuse("the values of a query must be a table like {name = value}") end
    check_text(sql, values)
    local argv = {"psql", "--no-psqlrc", "--no-password", "--csv", "--pset=null=" .. NULL, "--set=ON_ERROR_STOP=1"}
    for _, words in ipairs({more.words, self.words, value_words(values)}) do
        for _, word in ipairs(words) do argv[#argv + 1] = word end
    end
    return arguments.run(self.handle, argv, {stdin = more.before .. sql .. more.after, sudo = self.sudo, timeout = self.timeout_ms / 1000 + 10})
end

--- Asks, in a transaction that cannot write: rows, each a table by column, and the columns' names in order. Every value is text; NULL is
--- `nil`, and so is a text that is exactly `\N`. `values` are what `:'name'` in the text stands for.
---@param sql string  one statement
---@param values? table<string, string|number|boolean>
---@return table<string, string>[] rows, string[] columns
function database:query(sql, values)
    arguments.own(self, "psql.open", "db:query(\"select 1\")")
    local before = format("BEGIN READ ONLY; SET LOCAL client_encoding = 'UTF8'; SET LOCAL statement_timeout = %d; ", self.timeout_ms)
    local result = run(self, {words = {"--quiet"}, before = before, after = "\n;\nCOMMIT;\n"}, sql, values)
    return to_rows(psql.csv(result.stdout), result)
end

--- The only row of a query. Raises `check_failed` when there are none or more.
---@param sql string
---@param values? table<string, string|number|boolean>
---@return table<string, string>
function database:row(sql, values)
    arguments.own(self, "psql.open", "db:row(\"select 1\")")
    local rows = self:query(sql, values)
    check(#rows == 1, "the query should have one row, and has " .. #rows)
    return rows[1]
end

--- Does what may write, without a transaction around it: what psql says at the end (`DELETE 3`), and the number in it.
---@param sql string  one statement
---@param values? table<string, string|number|boolean>
---@return string tag, integer? count
function database:execute(sql, values)
    arguments.own(self, "psql.open", "db:execute(\"analyze\")")
    local before = format("SET client_encoding = 'UTF8'; SET statement_timeout = %d; ", self.timeout_ms)
    local result = run(self, {words = {}, before = before, after = "\n;\n"}, sql, values)
    local tag = match(result.stdout, "([^\n]*)\n*$")
    return tag, math.tointeger(tonumber(match(tag, "(%d+)$")))
end

-- What runbooks ask ----------------------------------------------------------------------------------------------------------------

local function number_fields(row, names)
    for _, name in ipairs(names) do row[name] = tonumber(row[name]) end
    return row
end

local replicas_text = [[
SELECT application_name AS name, client_addr AS address, state, sync_state AS sync,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, replay_lsn)::bigint AS lag_bytes,
       extract(epoch FROM replay_lag)::numeric(18, 3) AS lag_seconds
FROM pg_stat_replication ORDER BY application_name, pid]]

--- The standbys that stream from this server: `name`, `address`, `state` (`streaming`, `catchup`, …), `sync`, `lag_bytes` that are not
--- replayed yet, `lag_seconds` (`nil` when nothing was written for a while).
---@return {name: string, address: string?, state: string, sync: string, lag_bytes: integer?, lag_seconds: number?}[]
function database:replicas()
    arguments.own(self, "psql.open", "db:replicas()")
    local rows = self:query(replicas_text)
    for _, row in ipairs(rows) do number_fields(row, {"lag_bytes", "lag_seconds"}) end
    return rows
end

-- Received and replayed up to the same place on a live connection means no lag: the last transaction may simply be old.
local standby_text = [[
SELECT pg_is_in_recovery() AS standby, coalesce((SELECT coalesce(status, 'hidden') FROM pg_stat_wal_receiver), 'stopped') AS receiver,
       CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE false END AS paused,
       pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::bigint AS waiting_bytes,
       CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
            ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END::numeric(18, 3) AS lag_seconds]]

--- How far this server follows its primary: `standby` (false: it is none), `receiver` (`streaming`, `stopped`, …), `paused`,
--- `waiting_bytes` that have arrived and are not replayed, `lag_seconds` (`nil` before the first transaction).
---@return {standby: boolean, receiver: string, paused: boolean, waiting_bytes: integer?, lag_seconds: number?}
function database:standby()
    arguments.own(self, "psql.open", "db:standby()")
    local row = number_fields(self:row(standby_text), {"waiting_bytes", "lag_seconds"})
    row.standby, row.paused = row.standby == "t", row.paused == "t"
    return row
end

local long_text = [[
SELECT pid, extract(epoch FROM backend_start) AS started, usename AS "user", datname AS "database", application_name AS application,
       client_addr AS client, state, wait_event_type AS wait, floor(extract(epoch FROM now() - xact_start)) AS seconds, left(query, 500) AS query
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start < now() - make_interval(secs => :'seconds')
ORDER BY xact_start]]

---@class hikeshi.psql.Session
---@field pid integer
---@field started string  when the session began, in seconds since 1970: with `pid` it names one session and no later one
---@field user string?
---@field database string?
---@field application string?
---@field client string?
---@field state string?  `active`, `idle in transaction`, …
---@field wait string?
---@field seconds integer  how long the transaction has been open
---@field query string?  the last statement

--- Transactions of clients that have been open for longer than `longer` ("5m"), oldest first.
---@param longer? number|string
---@return hikeshi.psql.Session[]
function database:long_transactions(longer)
    arguments.own(self, "psql.open", "db:long_transactions(\"5m\")")
    local seconds = engine.duration(longer == nil and 300 or longer, "what db:long_transactions is given") / 1000
    local rows = self:query(long_text, {seconds = seconds})
    for _, row in ipairs(rows) do
        row.pid, row.seconds = math.tointeger(tonumber(row.pid)), math.tointeger(tonumber(row.seconds))
    end
    return rows
end

local function signal(self, name, session)
    arguments.own(self, "psql.open", "db:" .. name .. "(session)")
    if type(session) ~= "table" then engine.misuse("db:" .. name .. " needs a session with 'pid' and 'started', as db:long_transactions returns it") end
    local values = {
        pid = arguments.whole(session.pid, "the session's 'pid'", 1, 2 ^ 31 | 0),
        started = arguments.word(session.started, "the session's 'started'", "%d+%.?%d*", "seconds since 1970"),
    }
    local rows = self:query("SELECT pg_" .. name .. "_backend(pid) AS sent FROM pg_stat_activity WHERE pid = :'pid'::int "
                            .. "AND extract(epoch FROM backend_start)::text = :'started'", values)
    return #rows == 1 and rows[1].sent == "t"
end

--- Asks the session to give up its statement. False when the session has ended meanwhile; a later one of the same process id is left alone.
---@param session hikeshi.psql.Session
---@return boolean
function database:cancel(session) return signal(self, "cancel", session) end

--- Ends the session; its transaction is rolled back. False as above.
---@param session hikeshi.psql.Session
---@return boolean
function database:terminate(session) return signal(self, "terminate", session) end

return psql
