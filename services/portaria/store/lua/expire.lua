-- expire.lua: ends the jobs whose limit passed while they waited.
--
-- KEYS[1] portaria:expiry   zset   id -> milliseconds
-- ARGV    1 at most so many
-- returns how many were looked at
--
-- One that is held or runs is left to its worker, which knows the deadline, and is looked at again.

local AGAIN = 5000

local ids = call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, tonumber(ARGV[1]))
call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua
for _, id in ipairs(ids) do
  local job = read(id)
  if not job or RQ_STATUS[job.state] then
    call('ZREM', KEYS[1], id)
  elseif is_waiting(job) and is_late(job) then
    drop(id, job, 'EXPIRED', {'expired', now})
    call('ZREM', KEYS[1], id)
  elseif job.deadline == 0 and job.attempt ~= '0' then
    call('ZREM', KEYS[1], id) -- it began in time
  else
    call('ZADD', KEYS[1], int(math.max(job.deadline, now + AGAIN)), id)
  end
end
return #ids
