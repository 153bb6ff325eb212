-- wrk: posts a body whose {{names}} are drawn anew for each request.
-- After "--": the body's file and pgbench's scale. The result is written to $WRK_RESULT as JSON.
local headers = { ["Content-Type"] = "application/json" }
-- What Neon's driver sends.
if os.getenv("WRK_NEON") then
  headers = {
    ["Content-Type"] = "text/plain;charset=UTF-8", ["Neon-Raw-Text-Output"] = "true", ["Neon-Array-Mode"] = "true",
    ["Neon-Connection-String"] = "postgresql://bench:bench@localhost/default",
  }
end

-- A request is one function of concatenations, made from the body: wrk shares the processors with what it measures,
-- and tables gone through by wrk.format for each request took a tenth of them.
function init(arguments)
  local file = assert(io.open(arguments[1]))
  local text = file:read("*a")
  file:close()
  local scale = tonumber(arguments[2])
  local ranges = {
    aid = { 1, 100000 * scale }, bid = { 1, scale }, tid = { 1, 10 * scale },
    delta = { -5000, 5000 }, ref = { 1, 1000000000 }, from = { 0, 19000 },
  }
  math.randomseed(os.time())

  local draws, pieces, drawn, position = {}, {}, {}, 1
  for before, name, after in text:gmatch("(.-){{(%a+)}}()") do
    local range = assert(ranges[name], "unknown name " .. name)
    if not drawn[name] then
      draws[#draws + 1] = string.format("local %s = random(%d, %d)\n", name, range[1], range[2])
      drawn[name] = true
    end
    pieces[#pieces + 1] = string.format("%q .. %s .. ", before, name)
    position = after
  end
  pieces[#pieces + 1] = string.format("%q", text:sub(position))
  local head, rest = wrk.format("POST", nil, headers, ""):match("^(.*Content%-Length: )0(.*)$")
  request = assert(loadstring(string.format(
    "local random = math.random\nreturn function()\n%slocal body = %s\nreturn %q .. #body .. %q .. body\nend",
    table.concat(draws), table.concat(pieces), head, rest)))()
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
