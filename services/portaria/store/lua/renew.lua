-- renew.lua: prolongs the leases of all that a parent's children hold.
--
-- KEYS[1] portaria:holds   hash   worker -> "incarnation token flags id|queue|token …"
-- ARGV    1 lease ms, then n × (worker, incarnation)
-- returns one list a worker: {"ok" | "gone", id, token, "held" | "lost" | "cancel", id, …}

local LEASE = tonumber(ARGV[1])
call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua
local answer = {}
for i = 2, #ARGV, 2 do
  local record = call('HGET', KEYS[1], ARGV[i])
  local incarnation, _, _, ids = string.match(record or '', '^(%S+) (%S+) (%S+) ?(.*)$')
  if not record then
    answer[#answer + 1] = {'ok'} -- it has not had a turn yet
  elseif incarnation ~= ARGV[i + 1] then
    answer[#answer + 1] = {'gone'}
  else
    local list = {'ok'}
    for id, queue, token in holds(ids) do
      local job = read(id)
      list[#list + 1], list[#list + 2] = id, token
      if is_held(job, token) then
        call('ZADD', 'rq:wip:' .. queue, (now + LEASE) / 1000 + FAR, id .. ':' .. token)
        list[#list + 1] = job.state == 'CANCELLING' and 'cancel' or 'held'
      else
        list[#list + 1] = 'lost'
      end
    end
    answer[#answer + 1] = list
  end
end
return answer
