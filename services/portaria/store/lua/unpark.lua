-- unpark.lua: queues what waited for a worker that serves its type.
--
-- KEYS[…] portaria:parked:{domain}:{type}   zset   id -> when it was parked
-- ARGV    1 at most so many
-- returns how many were queued
--
-- They go to the front, in their order: they had come to it. So the last ones go first, also where
-- that takes several calls.

local left, queued = tonumber(ARGV[1]), 0
call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua
for _, key in ipairs(KEYS) do
  local ids = left > 0 and call('ZRANGE', key, -left, -1) or {}
  left = left - #ids
  for i = #ids, 1, -1 do
    local id = ids[i]
    local job = read(id)
    if job and job.parked and job.state == 'PENDING' then
      call('LPUSH', 'rq:queue:' .. job.queue, id)
      call('HINCRBY', DEPTH, job.queue, 1)
      call('HSET', 'rq:job:' .. id, 'parked', '')
      wake(job.queue)
      queued = queued + 1
    end
    call('ZREM', key, id)
  end
end
return queued
