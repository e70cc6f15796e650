-- The wrk script of load.ts: sends the requests of a file in turn and prints the result as JSON. With "chain", the
-- refresh token of each response is used in a later request, because a refresh token works once.

local requests
local tokens = {}
local first, last = 1, 0
local turn = 0

local function push(token)
  last = last + 1
  tokens[last] = token
end

function init(args)
  local file = dofile(args[1])
  requests = file.requests
  if args[2] ~= "chain" then return end
  for _, token in ipairs(file.tokens) do push(token) end
  response = function(_, _, body) push(body:match('"refresh_token":"([^"]+)"')) end
end

function request()
  turn = turn % #requests + 1
  local text = requests[turn]
  if last == 0 then return text end
  local token = tokens[first]
  tokens[first] = nil
  first = first + 1
  return (text:gsub("TOKEN", function() return token end, 1))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT{"count":%d,"seconds":%f,"p50":%f,"p99":%f,"failed":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout
  ))
end
