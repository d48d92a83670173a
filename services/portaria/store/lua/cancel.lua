-- cancel.lua: ends jobs that wait, and asks the workers of those that are held to end them.
--
-- KEYS    none but those of the prelude
-- ARGV    1 namespace  2 reason  3 force (0|1): kill what runs  then at most 200 ids
-- returns one list a job: {id, "cancelled" | "cancelling" | "ended" | "missing"}
--
-- What runs may still succeed; every other end of it becomes CANCELLED. Its worker hears of it with
-- the next renewal, which the hint on RQ's own channel for workers brings forward.

local NAMESPACE, REASON, FORCE = ARGV[1], ARGV[2], ARGV[3]
call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua

local function ask(id, job)
  local key = 'rq:job:' .. id
  if FORCE == '1' then call('HSET', key, 'force', 1) end
  if job.state ~= 'CANCELLING' then
    local cursor = tell(id, 'CANCELLING', job.attempt, job.state, '-', 0, job.tag)
    -- An older release does not say which hold has begun: after this, the state does not either.
    call('HSET', key, 'state', 'CANCELLING', 'cancel_reason', REASON, 'cancel_asked', NOW,
      'cursor', cursor, 'updated', NOW, 'begun', job.begun and job.hold or '')
  end
  local worker = call('HGET', key, 'worker_name')
  if worker then call('PUBLISH', 'rq:pubsub:' .. worker, '{"command": "portaria-renew"}') end
end

local answer = {}
for i = 4, #ARGV do
  local id, word = ARGV[i], 'missing'
  local job = read(id)
  if job and string.match(job.tag, '^%S+ %S+ (%S+)') == NAMESPACE then
    if RQ_STATUS[job.state] then
      word = 'ended'
    elseif is_waiting(job) then
      word = 'cancelled'
      drop(id, job, 'CANCELLED', {'cancel_reason', REASON, 'cancel_asked', NOW})
    else
      word = 'cancelling'
      ask(id, job)
    end
  end
  answer[#answer + 1] = {id, word}
end
return answer
