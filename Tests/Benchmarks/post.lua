-- wrk: posts a body whose {{names}} are drawn anew for each request.
-- After "--": the body's file and pgbench's scale. The result is written to $WRK_RESULT as JSON.
local pieces, names, ranges = {}, {}, {}

function init(arguments)
  local file = assert(io.open(arguments[1]))
  local text = file:read("*a")
  file:close()
  local scale = tonumber(arguments[2])
  local all = {
    aid = { 1, 100000 * scale }, bid = { 1, scale }, tid = { 1, 10 * scale },
    delta = { -5000, 5000 }, ref = { 1, 1000000000 }, from = { 0, 19000 },
  }
  math.randomseed(os.time())
  local position = 1
  for before, name, after in text:gmatch("(.-){{(%a+)}}()") do
    ranges[name] = assert(all[name], "unknown name " .. name)
    pieces[#pieces + 1] = before
    pieces[#pieces + 1] = name
    position = after
  end
  pieces[#pieces + 1] = text:sub(position)
end

local body, drawn, headers = {}, {}, { ["Content-Type"] = "application/json" }
-- What Neon's driver sends.
if os.getenv("WRK_NEON") then
  headers = {
    ["Content-Type"] = "text/plain;charset=UTF-8", ["Neon-Raw-Text-Output"] = "true", ["Neon-Array-Mode"] = "true",
    ["Neon-Connection-String"] = "postgresql://bench:bench@localhost/default",
  }
end

function request()
  for name, range in pairs(ranges) do
    drawn[name] = string.format("%d", math.random(range[1], range[2]))
  end
  for i = 1, #pieces do body[i] = i % 2 == 1 and pieces[i] or drawn[pieces[i]] end
  return wrk.format("POST", nil, headers, table.concat(body, "", 1, #pieces))
end

function done(summary, latency)
  local errors = summary.errors
  local file = assert(io.open(os.getenv("WRK_RESULT"), "w"))
  file:write(string.format(
    '{"requests": %d, "seconds": %f, "bytes": %d, "p50": %f, "p99": %f, "failures": %d}',
    summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50) / 1000,
    latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
  file:close()
end
