-- rabbitmq: queues of a broker. Used by steps: local rabbitmq = require("rabbitmq")
local rabbitmq = {}

--- The queue as rabbitmqctl on `host` counts it: {name, messages_ready, messages_unacknowledged, consumers}; nil when there is none.
function rabbitmq.queue(host, vhost, name)
    local argv = {"rabbitmqctl", "--quiet", "list_queues", "--vhost", vhost, "--formatter", "json"}
    for _, column in ipairs{"name", "messages_ready", "messages_unacknowledged", "consumers"} do argv[#argv + 1] = column end
    for _, queue in ipairs(json.decode(ssh(host):run(argv, {sudo = true}).stdout)) do
        if queue.name == name then return queue end
    end
end

return rabbitmq
