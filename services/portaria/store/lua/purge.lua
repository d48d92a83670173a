-- purge.lua: forgets finished jobs whose time is over, with all that belongs to them.
--
-- KEYS[1] portaria:purge   zset   id -> milliseconds
-- KEYS[2] portaria:events  stream; by age it is trimmed as it grows, by size here
-- ARGV    1 at most so many  2 early (0|1): the oldest successes of each queue, though their time
--         is not over, since memory runs short
-- returns how many were looked at

local MOST, EARLY = tonumber(ARGV[1]), ARGV[2] == '1'
local AGAIN = 300000 -- milliseconds until a job that stays is looked at again
call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua

-- A member's result lives as long as its workflow; that of a batch until all of it has ended, or
-- memory runs short.
local function stays(job)
  local flow = string.match(job.tag, '^%S+ %S+ %S+ (%S+)')
  if flow == '-' or (EARLY and not job.link) then return false end
  local h = call('HMGET', 'portaria:batch:' .. flow, 'stage', 'ended', 'keep')
  if not h[1] or (h[2] and not job.link) then return false end
  -- When it is looked at again.
  if not h[2] then return now + AGAIN end
  return math.max(now + AGAIN, tonumber(h[2]) + math.max(tonumber(h[3] or 0), REQUEST_KEPT))
end

-- Their time is over now: what follows forgets them as any other.
local function hasten()
  local queues = call('SMEMBERS', 'rq:queues')
  local most = math.max(2, math.floor(MOST / math.max(1, #queues)))
  for _, key in ipairs(queues) do
    local registry = 'rq:finished:' .. string.sub(key, 10)
    for _, id in ipairs(call('ZRANGE', registry, 0, most - 1)) do
      local job = read(id)
      if not job or job.state ~= 'SUCCEEDED' then
        call('ZREM', registry, id)
      elseif stays(job) then
        call('ZADD', registry, lapse(0), id) -- behind the others, which may go
      else
        call('ZADD', KEYS[1], 0, id)
      end
    end
  end
end

if EARLY then hasten() end
local ids = call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, MOST)
for _, id in ipairs(ids) do
  local job = read(id)
  local again = job and stays(job)
  if again then
    call('ZADD', KEYS[1], int(again), id)
  else
    if job and RQ_STATUS[job.state] then forget(id, job) end
    call('ZREM', KEYS[1], id)
  end
end
call('XTRIM', KEYS[2], 'MAXLEN', '~', 1000000)
return #ids
