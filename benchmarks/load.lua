-- One chat completion per request, each text its own, so that no cache or memo answers in a gateway's place.
-- Arguments: a word that no other run uses, and JSON members to put into the body.
local count, seed, members = 0, "0", ""

function init(arguments)
  seed, members = arguments[1] or seed, arguments[2] or members
end

function request()
  count = count + 1
  local text = "Request " .. seed .. "-" .. count .. ": say in two sentences what an edge node does for a factory "
    .. "whose uplink is slow, and name one risk of it."
  local body = '{"model":"auto","messages":[{"role":"user","content":"' .. text .. '"}],"max_tokens":64' .. members .. '}'
  return wrk.format("POST", nil, nil, body)
end

function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('RESULT {"requests":%d,"wall_us":%d,"failed":%d,"p50_us":%.1f,"p99_us":%.1f}\n',
    summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(99)))
end
