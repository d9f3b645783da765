-- kubectl: a cluster, asked with kubectl on a host that may, such as a bastion. Names are checked as the API server would, so that none
-- is taken for an option or for several objects.
local engine = ...
local arguments = engine.part("arguments")
local type, pcall, ipairs, pairs, setmetatable, tostring = type, pcall, ipairs, pairs, setmetatable, tostring
local json_decode, json_null = json.decode, json.null
local kubectl = {}

---@class hikeshi.kubectl.Cluster
local cluster = {}
local metatable = {__index = cluster, __metatable = "protected", __name = "kubectl"}

local function object_name(name, what)
    return arguments.word(name, what, "[a-z0-9][a-z0-9.-]*", "a name of small letters, digits, '-' and '.'")
end

local function kind_name(kind)
    return arguments.word(kind, "the kind", "[%a][%w.-]*", "one kind, like pod or deployment")
end

local function duration_word(value, what)
    return string.format("%.6gs", engine.duration(value, what) / 1000)
end

--- What commands are sent with. opts: `namespace`, `context`, `kubeconfig` (a file on that host): what is not given, kubectl decides;
--- `sudo`; `timeout` of a request ("30s").
---@param host string|table|userdata  where kubectl runs
---@param opts? {namespace?: string, context?: string, kubeconfig?: string, sudo?: boolean|string, timeout?: number|string}
---@return hikeshi.kubectl.Cluster
function kubectl.on(host, opts)
    opts = arguments.options(opts, "kubectl.on", {"namespace", "context", "kubeconfig", "sudo", "timeout"})
    local words = {}
    local function add(option, text) words[#words + 1] = "--" .. option .. "=" .. text end
    if opts.kubeconfig then add("kubeconfig", arguments.line(opts.kubeconfig, "option 'kubeconfig' of kubectl.on")) end
    if opts.context then add("context", arguments.line(opts.context, "option 'context' of kubectl.on")) end
    if opts.namespace then add("namespace", object_name(opts.namespace, "option 'namespace' of kubectl.on")) end
    local timeout = duration_word(opts.timeout == nil and 30 or opts.timeout, "option 'timeout' of kubectl.on")
    return setmetatable({handle = arguments.handle(host), words = words, request_timeout = timeout, sudo = opts.sudo}, metatable)
end

-- `seconds`: for a command that waits, which the time-out of one request would cut short.
local function run(self, words, seconds)
    arguments.own(self, "kubectl.on", "k:get(\"pod\")")
    local argv = {"kubectl"}
    for _, list in ipairs({words, self.words}) do
        for _, word in ipairs(list) do argv[#argv + 1] = word end
    end
    if not seconds then argv[#argv + 1] = "--request-timeout=" .. self.request_timeout end
    return arguments.run(self.handle, argv, {sudo = self.sudo, timeout = seconds})
end

local function add_selectors(words, opts)
    opts = arguments.options(opts, "k:get", {"selector", "fields"})
    if opts.selector then
        local text = arguments.word(opts.selector, "option 'selector' of k:get", "[%w_./=!,() -]+", "a label selector like app=shop")
        words[#words + 1] = "--selector=" .. text
    end
    if opts.fields then
        local text = arguments.word(opts.fields, "option 'fields' of k:get", "[%w_./=!,:-]+", "a field selector like spec.nodeName=n1")
        words[#words + 1] = "--field-selector=" .. text
    end
end

-- JSON's null is nil here, so that what is absent looks the same either way.
local function without_null(value)
    if type(value) ~= "table" then return value end
    for key, inner in pairs(value) do
        if inner == json_null then value[key] = nil else without_null(inner) end
    end
    return value
end

local function decode(result)
    local fine, value = pcall(json_decode, result.stdout)
    if not fine then engine.raise("parse", result.host, "kubectl printed no JSON: " .. tostring(value), result) end
    return without_null(value)
end

--- One object, or without a name the list of them. Raises `exit` when it is not there. opts: `selector`, `fields`.
---@param kind string
---@param name? string
---@param opts? {selector?: string, fields?: string}
---@return table
function cluster:get(kind, name, opts)
    local words = {"get", kind_name(kind)}
    if name ~= nil then words[#words + 1] = object_name(name, "the name") end
    words[#words + 1] = "--output=json"
    add_selectors(words, opts)
    local value = decode(run(self, words))
    return name == nil and (value.items or {}) or value
end

---@class hikeshi.kubectl.Pod
---@field name string
---@field node string?
---@field phase string  `Running`, `Pending`, `Succeeded`, `Failed`, `Unknown`
---@field ready boolean  every container is
---@field restarts integer  of all containers
---@field waiting string?  why a container waits: `CrashLoopBackOff`, `ImagePullBackOff`, …
---@field container string?  the one that waits, else the one that restarted most
---@field last_reason string?  how that container ended before: `Error`, `OOMKilled`, `Completed`
---@field last_code integer?  its exit code
---@field started string?  when the pod began, RFC 3339

-- What is told of the pod's containers: of the one that waits, else of the one that restarted most.
local function describe_containers(pod, statuses)
    local chosen
    for _, status in ipairs(statuses) do
        pod.ready = pod.ready and status.ready == true
        pod.restarts = pod.restarts + (status.restartCount or 0)
        local waits = status.state and status.state.waiting
        if waits and not pod.waiting then
            pod.waiting, chosen = waits.reason, status
        elseif not pod.waiting and (not chosen or (status.restartCount or 0) > (chosen.restartCount or 0)) then
            chosen = status
        end
    end
    local ended = chosen and chosen.lastState and chosen.lastState.terminated or {}
    pod.container, pod.last_reason, pod.last_code = chosen and chosen.name, ended.reason, ended.exitCode
    return pod
end

--- Pods, by name. opts: `selector`, `fields`.
---@param opts? {selector?: string, fields?: string}
---@return hikeshi.kubectl.Pod[]
function cluster:pods(opts)
    local list = {}
    for i, item in ipairs(self:get("pod", nil, opts)) do
        local status = item.status or {}
        local statuses = status.containerStatuses or {}
        list[i] = describe_containers({
            name = item.metadata.name, node = item.spec and item.spec.nodeName, phase = status.phase, started = status.startTime,
            ready = #statuses > 0, restarts = 0,
        }, statuses)
    end
    table.sort(list, function(a, b) return a.name < b.name end)
    return list
end

--- The last lines that a pod wrote. opts: `container`, `previous` (true: of the container before its restart), `lines` (50).
---@param pod string
---@param opts? {container?: string, previous?: boolean, lines?: integer}
---@return string
function cluster:logs(pod, opts)
    opts = arguments.options(opts, "k:logs", {"container", "previous", "lines"})
    local words = {"logs", object_name(pod, "the pod")}
    words[#words + 1] = "--tail=" .. arguments.whole(opts.lines == nil and 50 or opts.lines, "option 'lines' of k:logs", 1, 10000)
    if opts.container then words[#words + 1] = "--container=" .. object_name(opts.container, "option 'container' of k:logs") end
    if opts.previous then words[#words + 1] = "--previous" end
    return run(self, words).stdout
end

local function workload(kind, name)
    return kind_name(kind) .. "/" .. object_name(name, "the name")
end

--- Replaces the pods of a Deployment, StatefulSet or DaemonSet, a few at a time.
---@param kind string
---@param name string
function cluster:restart(kind, name)
    run(self, {"rollout", "restart", workload(kind, name)})
end

--- Goes back to the revision before, or to `revision`.
---@param kind string
---@param name string
---@param revision? integer
function cluster:undo(kind, name, revision)
    local words = {"rollout", "undo", workload(kind, name)}
    if revision ~= nil then words[4] = "--to-revision=" .. arguments.whole(revision, "the revision", 1, 1 << 40) end
    run(self, words)
end

--- Waits until a rollout is done. Raises `exit` when it is not within `timeout` ("2m").
---@param kind string
---@param name string
---@param timeout? number|string
function cluster:rollout_status(kind, name, timeout)
    local seconds = engine.duration(timeout == nil and 120 or timeout, "the time-out of k:rollout_status") / 1000
    run(self, {"rollout", "status", workload(kind, name), "--watch=true", string.format("--timeout=%.6gs", seconds)}, seconds + 15)
end

--- Deletes a pod, and waits until it is gone; what owns it makes a new one. `timeout` ("1m").
---@param pod string
---@param timeout? number|string
function cluster:delete_pod(pod, timeout)
    local seconds = engine.duration(timeout == nil and 60 or timeout, "the time-out of k:delete_pod") / 1000
    run(self, {"delete", "pod", object_name(pod, "the pod"), "--wait=true", string.format("--timeout=%.6gs", seconds)}, seconds + 15)
end

return kubectl
