-- delete.lua: forgets jobs that have ended, now, with all that belongs to them.
--
-- KEYS[1] portaria:purge   zset   id -> milliseconds
-- ARGV    1 namespace  then at most 200 ids
-- returns one list a job: {id, "deleted" | "open" | "missing"}
--
-- Their request records stay for the rest of their hour: a repeated submit finds out.

local NAMESPACE = ARGV[1]
call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua

-- Others of its workflow may still read it.
local function is_needed(job)
  if not job.link then return false end
  local flow = string.match(job.tag, '^%S+ %S+ %S+ (%S+)')
  local h = call('HMGET', 'portaria:batch:' .. flow, 'stage', 'ended')
  return h[1] and not h[2]
end

local answer = {}
for i = 2, #ARGV do
  local id, word = ARGV[i], 'missing'
  local job = read(id)
  if job and string.match(job.tag, '^%S+ %S+ (%S+)') == NAMESPACE then
    word = 'open'
    if RQ_STATUS[job.state] and not is_needed(job) then
      word = 'deleted'
      forget(id, job)
      call('ZREM', KEYS[1], id)
    end
  end
  answer[#answer + 1] = {id, word}
end
return answer
