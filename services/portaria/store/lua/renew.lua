-- renew.lua: prolongs the leases of all that a parent's children hold.
--
-- KEYS[1] portaria:holds   hash   worker -> "incarnation token flags id|queue|token …"
-- ARGV    1 lease ms, then n × (worker, incarnation, id of the job that it runs or "")
-- returns one list a worker: {"ok" | "gone", id, token, "held" | "lost" | "cancel" | "kill", id, …}
--
-- A job that runs has begun, whatever its own process had time to say; not so one that must not run
-- twice: it waits for leave to begin. And what has not begun is never to be killed: what runs there
-- is another job.

local LEASE = tonumber(ARGV[1])
call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua
local answer = {}
for i = 2, #ARGV, 3 do
  local worker, running = ARGV[i], ARGV[i + 2]
  local record = call('HGET', KEYS[1], worker)
  local incarnation, _, _, ids = string.match(record or '', '^(%S+) (%S+) (%S+) ?(.*)$')
  if not record then
    answer[#answer + 1] = {'ok'} -- it has not had a turn yet
  elseif incarnation ~= ARGV[i + 1] then
    answer[#answer + 1] = {'gone'}
  else
    local list = {'ok'}
    for id, queue, token in holds(ids) do
      local job, word = read(id), 'lost'
      if is_held(job, token) then
        call('ZADD', 'rq:wip:' .. queue, lapse(LEASE), id .. ':' .. token)
        word = 'held'
        if id == running and job.once ~= '1' then begin(id, job, worker) end
        if job.state == 'CANCELLING' then
          local force = job.begun and call('HGET', 'rq:job:' .. id, 'force')
          word = force == '1' and 'kill' or 'cancel'
        end
      end
      for _, each in ipairs({id, token, word}) do list[#list + 1] = each end
    end
    answer[#answer + 1] = list
  end
end
return answer
