-- wrk script of bench/intake.py: sends requests that were made (and signed) beforehand, each once.
-- arguments: FILE LENGTH COUNT: COUNT requests of LENGTH bytes each; every thread takes its share.
local threads = 0

function setup(thread)
  thread:set("index", threads)
  threads = threads + 1
end

function init(args)
  local path, count = args[1], tonumber(args[3])
  length = tonumber(args[2])
  file = assert(io.open(path, "rb"))
  share = math.floor(count / 2)
  left = share
  file:seek("set", index * share * length)
  reused = 0
end

function request()
  if left == 0 then -- more than were made: begin again, and say so
    file:seek("set", index * share * length)
    left, reused = share, reused + 1
  end
  left = left - 1
  return file:read(length)
end

function done(summary, latency)
  io.write(string.format("RESULT %d %d %d %d %d %d %d\n", summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
