-- httpcheck: whether a web service answers as it should, asked with curl on a host (from where its users are, or from the machine itself), or
-- from the runner.
local engine = ...
local arguments = engine.part("arguments")
local type, tonumber, tostring, pairs, ipairs, pcall, error = type, tonumber, tostring, pairs, ipairs, pcall, error
local find, match, lower, sub, format = string.find, string.match, string.lower, string.sub, string.format
local concat, sort = table.concat, table.sort
---@class hikeshi.httpcheck
---@field runner table  stands for the runner's own machine where a host is asked for: certificates are verified, redirects are not followed
local httpcheck = {}
httpcheck.runner = setmetatable({}, {__tostring = function() return "the runner" end, __metatable = "protected"})

local function url_word(url)
    arguments.line(url, "the address")
    if not find(lower(url), "^https?://[^%s]+$") then
        engine.misuse("the address must begin with http:// or https:// and hold no blanks, not '" .. sub(url, 1, 100) .. "'")
    end
    return url
end

-- They stand on standard input: a token in one does not show in a list of processes.
local function header_lines(headers)
    local lines = {}
    if type(headers) ~= "table" then engine.misuse("option 'headers' of httpcheck must be a table of names and texts") end
    for name, value in pairs(headers) do
        arguments.word(name, "a header's name", "[%w-]+", "letters, digits and '-'")
        lines[#lines + 1] = name .. ": " .. arguments.line(tostring(value), "the header '" .. name .. "'")
    end
    sort(lines)
    return concat(lines, "\n") .. "\n"
end

-- curl's exit codes that say why there is no answer.
local reasons = {
    [6] = "dns", [7] = "connect", [28] = "timeout", [35] = "tls", [51] = "tls", [52] = "empty", [56] = "lost", [58] = "tls", [60] = "tls",
}

local get_options = {"timeout", "headers", "method", "address", "follow", "insecure"}
local expect_options = {"status", "within", "contains", table.unpack(get_options)}

local function curl_words(url, opts, name, seconds)
    local argv = {"curl", "--disable", "--silent", "--show-error", "--globoff", "--proto", "=http,https", "--max-time", format("%.6g", seconds),
                  "--write-out", "\\n%{http_code} %{time_total}"}
    local function add(...)
        for _, word in ipairs({...}) do argv[#argv + 1] = word end
    end
    local method = arguments.word(opts.method == nil and "GET" or opts.method, "option 'method' of " .. name, "[A-Z]+", "a method like GET")
    if method == "HEAD" then add("--head") elseif method ~= "GET" then add("--request", method) end
    if opts.follow then add("--location", "--max-redirs", "5") end
    if opts.insecure then add("--insecure") end
    if opts.headers ~= nil then add("--header", "@-") end
    if opts.address ~= nil then
        local v6 = type(opts.address) == "string" and find(opts.address, ":", 1, true)
        local address = arguments.word(opts.address, "option 'address' of " .. name, v6 and "[%x:.]+" or "%d+%.%d+%.%d+%.%d+", "an IP address")
        add("--connect-to", "::" .. (v6 and "[" .. address .. "]" or address) .. ":")
    end
    add("--url", url_word(url))
    return argv
end

-- What http.request raises when there is no answer; anything else is a mistake in the runbook.
local no_answer = {timeout = "timeout", unavailable = "unavailable", too_large = "other"}

local function ask_from_runner(url, opts, name, seconds)
    for _, option in ipairs({"address", "follow", "insecure"}) do
        if opts[option] ~= nil then engine.misuse("option '" .. option .. "' of " .. name .. " needs a host that has curl, not the runner") end
    end
    local request = {url = url_word(url), method = opts.method, headers = opts.headers, timeout = seconds, check = false}
    local fine, got = pcall(http.request, request)
    if fine then return {status = got.status, seconds = got.duration_ms / 1000, body = got.body} end
    local reason = type(got) == "table" and no_answer[got.code]
    if not reason then error(got, 0) end
    return {seconds = 0, body = "", error = reason, message = got.message}
end

local function ask(host, url, opts, name)
    local seconds = engine.duration(opts.timeout == nil and 10 or opts.timeout, "option 'timeout' of " .. name) / 1000
    if host == httpcheck.runner then return ask_from_runner(url, opts, name, seconds) end
    local result = arguments.run(arguments.handle(host), curl_words(url, opts, name, seconds),
        {check = false, timeout = seconds + 10, stdin = opts.headers and header_lines(opts.headers)})
    local body, status, time = match(result.stdout, "^(.*)\n(%d+) ([%d.]+)$")
    local answer = {status = math.tointeger(tonumber(status)), seconds = tonumber(time) or 0, body = body or ""}
    if result.code ~= 0 or not status then
        answer.status, answer.error = nil, reasons[result.code] or "other"
        answer.message = match(result.stderr, "([^\n]*)\n*$")
    end
    return answer, result.host
end

---@class hikeshi.httpcheck.Answer
---@field status integer?  nil when there was none
---@field seconds number  until the whole answer was there
---@field body string
---@field error string?  why there is no status: `dns`, `connect`, `timeout`, `tls`, `empty`, `lost`, `unavailable`, `other`
---@field message string?  what curl said then

--- Asks once; does not raise because of what the service does. opts: `timeout` ("10s"), `headers`, `method` ("GET"), `address` (an IP: asks
--- that machine for the name in the URL), `follow` (true: goes where redirects lead), `insecure` (true: takes any certificate).
---@param host string|table|userdata  where curl runs, or `httpcheck.runner`
---@param url string
---@param opts? {timeout?: number|string, headers?: table<string, string>, method?: string, address?: string, follow?: boolean, insecure?: boolean}
---@return hikeshi.httpcheck.Answer
function httpcheck.get(host, url, opts)
    return (ask(host, url, arguments.options(opts, "httpcheck.get", get_options), "httpcheck.get"))
end

local function is_wanted(status, wanted)
    if type(wanted) ~= "table" then return status == wanted end
    for _, one in ipairs(wanted) do
        if status == one then return true end
    end
    return false
end

local function wanted_text(wanted)
    return type(wanted) == "table" and concat(wanted, " or ") or tostring(wanted)
end

--- Asks once, and raises `check_failed` unless the answer is as it should be. opts: `status` (200, or a list), `within` (how long the whole
--- answer may take), `contains` (text that the body must hold), and those of `httpcheck.get`.
---@param host string|table|userdata
---@param url string
---@param opts? table
---@return hikeshi.httpcheck.Answer
function httpcheck.expect(host, url, opts)
    opts = arguments.options(opts, "httpcheck.expect", expect_options)
    local wanted = opts.status == nil and 200 or opts.status
    local within = opts.within ~= nil and engine.duration(opts.within, "option 'within' of httpcheck.expect") / 1000
    local contains = opts.contains ~= nil and arguments.line(opts.contains, "option 'contains' of httpcheck.expect")
    local answer, name = ask(host, url, opts, "httpcheck.expect")
    local function refuse(text) engine.raise("check_failed", name, url .. " " .. text, answer) end
    if answer.error then refuse("did not answer (" .. answer.error .. "): " .. answer.message) end
    if not is_wanted(answer.status, wanted) then refuse("answered " .. answer.status .. ", and should answer " .. wanted_text(wanted)) end
    if within and answer.seconds > within then refuse(format("took %.3g s, and may take %.3g s", answer.seconds, within)) end
    if contains and not find(answer.body, contains, 1, true) then refuse("answered without '" .. contains .. "'") end
    return answer
end

return httpcheck
