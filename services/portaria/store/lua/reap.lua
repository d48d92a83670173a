-- reap.lua: gives the jobs of silent workers to others.
--
-- KEYS[1] portaria:reaper   hash   last: when this ran; run: which run of Redis that was;
--                                  grace: until when leases are not judged; graces: how many in
--                                  a row
-- ARGV    1 lease ms  2 budget of losses  3 failure when it is used up  4 failure of a job that
--         must not run twice  5 run_id of Redis
-- returns {"reaped" | "grace" | "early", id, …}
--
-- A lease can lapse because its worker is silent, or because Redis was: it was down, frozen, or
-- nobody could reach it. In the second case every healthy job would be re-run. So a gap in the
-- calls of this script longer than half a lease, or a new run of Redis, only opens a grace of one
-- lease in which workers renew. An outage within a grace opens another, but the third in a row is
-- followed by a reaping whatever happened, or a store that keeps failing would never be reaped.

local LEASE, BUDGET, MOST = tonumber(ARGV[1]), tonumber(ARGV[2]), 100
local GRACES = 3
local h = call('HMGET', KEYS[1], 'last', 'grace', 'run', 'graces')
local last, grace, graces = tonumber(h[1] or 0), tonumber(h[2] or 0), tonumber(h[4] or 0)

call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua
if graces < GRACES and (now - last > LEASE / 2 or h[3] ~= ARGV[5]) then
  call('HSET', KEYS[1], 'last', now, 'run', ARGV[5], 'grace', now + LEASE, 'graces', graces + 1)
  return {'grace'}
end
if grace > now then
  call('HSET', KEYS[1], 'last', now, 'run', ARGV[5])
  return {'grace'}
end
-- Many parents call; one look a quarter of a second is enough.
if grace == 0 and now - last < 250 then return {'early'} end

-- A job that must not run twice may have had its effect: it waits for a late end, which its own
-- token still allows, as long as its handler may run and then for 5 s.
local function stays_open(id, member, queue)
  local h = call('HMGET', 'rq:job:' .. id, 'open', 'timeout')
  local open = tonumber(h[1] or 0) or 0
  if open == 0 then
    open = now + (tonumber(h[2]) or 0) * 1000 + 5000
    call('HSET', 'rq:job:' .. id, 'open', int(open))
  end
  if open <= now then return false end
  call('ZADD', 'rq:wip:' .. queue, open / 1000 + FAR, member)
  return true
end

local answer = {'reaped'}
for _, key in ipairs(call('SMEMBERS', 'rq:queues')) do
  local queue = string.sub(key, 10)
  local lapsed = call('ZRANGEBYSCORE', 'rq:wip:' .. queue, FAR / 2, now / 1000 + FAR, 'LIMIT', 0,
    MOST + 1 - #answer)
  for _, member in ipairs(lapsed) do
    local id, token = string.match(member, '^(.*):([^:]*)$')
    local job = id and read(id)
    if is_held(job, token) and not job.begun then
      release(id, member, job, queue)
      answer[#answer + 1] = id
    elseif is_held(job, token) and job.once == '1' and stays_open(id, member, queue) then
      -- Its worker may still have the last word.
    elseif is_held(job, token) then
      charge(id, member, job, queue, 'losts', BUDGET, ARGV[3], ARGV[4])
      answer[#answer + 1] = id
    else
      call('ZREM', 'rq:wip:' .. queue, member) -- what a fault left behind
    end
  end
end
call('HSET', KEYS[1], 'last', now, 'run', ARGV[5], 'grace', 0, 'graces', 0)
return answer
