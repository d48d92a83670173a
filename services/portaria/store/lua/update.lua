-- update.lua: moves a job that waits to another priority, another moment, or both.
--
-- KEYS[1] rq:job:{id}    hash
-- KEYS[2] portaria:due   zset   id -> milliseconds
-- ARGV    1 namespace  2 id  3 queue ("": as it is)  4 run at ms (-1: as it is)
-- returns {"ok" | "missing"}, {"not waiting", state}, {"late"}: it may not begin at that moment
--
-- Its id stays in the list that it leaves: the claim drops what belongs to another queue. A move
-- within a state is told, too, with that state as the one before: who mirrors jobs sees where it
-- is.

local id, due = ARGV[2], tonumber(ARGV[4])
local job = read(id)
if not job or string.match(job.tag, '^%S+ %S+ (%S+)') ~= ARGV[1] then return {'missing'} end
if not is_waiting(job) or job.state == 'BLOCKED' then return {'not waiting', job.state} end
if due >= 0 and limit_of(job) > 0 and math.max(due, now) >= limit_of(job) then return {'late'} end

local queue = ARGV[3] ~= '' and ARGV[3] or job.queue
local moved = queue ~= job.queue
local tag = queue .. string.match(job.tag, '^%S+(.*)$')
local queued = job.state == 'PENDING' and not job.parked
local was = tonumber(call('HGET', KEYS[1], 'due') or 0)
call('HSET', KEYS[1], 'updated', now) -- what is new is refused at maxmemory: nothing was written

call('SADD', 'rq:queues', 'rq:queue:' .. queue)

-- RQ's registry of the old queue is cleared before the job's `origin` names the new one, and that
-- of the new one is written after it: purge looks into that of `origin` only.
if job.state == 'PENDING' and due > now then
  await(id, due)
  local cursor = tell(id, 'SCHEDULED', job.attempt, 'PENDING', '-', int(due), tag)
  call('HSET', KEYS[1], 'status', 'scheduled', 'state', 'SCHEDULED', 'origin', queue, 'tag', tag,
    'due', int(due), 'cursor', cursor, 'parked', '')
  call('ZADD', 'rq:scheduled:' .. queue, due / 1000 + FAR, id)
  if job.parked then call('ZREM', parking(job), id) end
  if queued then call('HINCRBY', DEPTH, job.queue, -1) end
elseif job.state == 'PENDING' and moved then
  local cursor = tell(id, 'PENDING', job.attempt, 'PENDING', '-', '0', tag)
  if queued then
    call('RPUSH', 'rq:queue:' .. queue, id)
    call('HINCRBY', DEPTH, queue, 1)
  end
  call('HSET', KEYS[1], 'origin', queue, 'tag', tag, 'cursor', cursor)
  if queued then
    call('HINCRBY', DEPTH, job.queue, -1)
    wake(queue)
  end
elseif job.state ~= 'PENDING' then
  local moment, cursor = due >= 0 and due or was, job.cursor
  if moved or moment ~= was then
    cursor = tell(id, job.state, job.attempt, job.state, '-', int(moment), tag)
  end
  if moved then call('ZREM', 'rq:scheduled:' .. job.queue, id) end
  await(id, moment)
  call('HSET', KEYS[1], 'origin', queue, 'tag', tag, 'due', int(moment), 'cursor', cursor)
  call('ZADD', 'rq:scheduled:' .. queue, moment / 1000 + FAR, id)
end
return {'ok'}
