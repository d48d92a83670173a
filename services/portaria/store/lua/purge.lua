-- purge.lua: forgets finished jobs whose time is over, with all that belongs to them.
--
-- KEYS[1] portaria:purge   zset   id -> milliseconds
-- KEYS[2] portaria:events  stream; by age it is trimmed as it grows, by size here
-- ARGV    1 at most so many  2 early (0|1): the oldest successes of each queue, though their time
--         is not over, since memory runs short
-- returns how many were looked at

local MOST, EARLY = tonumber(ARGV[1]), ARGV[2] == '1'
call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua

-- Their time is over now: what follows forgets them as any other.
local function hasten()
  local left = MOST
  for _, key in ipairs(call('SMEMBERS', 'rq:queues')) do
    local registry = 'rq:finished:' .. string.sub(key, 10)
    local ids = left > 0 and call('ZRANGE', registry, 0, left - 1) or {}
    left = left - #ids
    for _, id in ipairs(ids) do
      local job = read(id)
      if job and job.state == 'SUCCEEDED' then
        call('ZADD', KEYS[1], 0, id)
      else
        call('ZREM', registry, id)
      end
    end
  end
end

if EARLY then hasten() end
local ids = call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, MOST)
for _, id in ipairs(ids) do
  local job = read(id)
  if job and RQ_STATUS[job.state] then forget(id, job) end
  call('ZREM', KEYS[1], id)
end
call('XTRIM', KEYS[2], 'MAXLEN', '~', 1000000)
return #ids
