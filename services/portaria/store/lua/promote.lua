-- promote.lua: queues the jobs whose moment has come: first runs that were delayed, and retries.
--
-- KEYS[1] portaria:due   zset   id -> milliseconds
-- ARGV    1 at most so many
-- returns {how many, milliseconds until the next one, or -1}

local ids = call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, tonumber(ARGV[1]))
call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua
local moved = 0
for _, id in ipairs(ids) do
  local job = read(id)
  if job and (job.state == 'SCHEDULED' or job.state == 'RETRYING') and is_late(job) then
    drop(id, job, 'EXPIRED', {'expired', now})
  elseif job and (job.state == 'SCHEDULED' or job.state == 'RETRYING') then
    local cursor = tell(id, 'PENDING', job.attempt, job.state, '-', 0, job.tag)
    call('RPUSH', 'rq:queue:' .. job.queue, id)
    call('HINCRBY', DEPTH, job.queue, 1)
    call('HSET', 'rq:job:' .. id, 'status', 'queued', 'state', 'PENDING', 'cursor', cursor,
      'updated', now, 'enqueued_at', iso())
    call('ZREM', 'rq:scheduled:' .. job.queue, id)
    wake(job.queue)
    moved = moved + 1
  end
  call('ZREM', KEYS[1], id)
end
local following = call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {moved, following[2] and math.max(0, tonumber(following[2]) - now) or -1}
