-- purge.lua: forgets finished jobs whose time is over, with all that belongs to them.
--
-- KEYS[1] portaria:purge   zset   id -> milliseconds
-- KEYS[2] portaria:events  stream; by age it is trimmed as it grows, by size here
-- ARGV    1 at most so many
-- returns how many

local ids = call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, tonumber(ARGV[1]))
call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua
for _, id in ipairs(ids) do
  local job = read(id)
  if job and RQ_STATUS[job.state] then
    tell(id, 'REMOVED', job.attempt, job.state, '-', 0, job.tag)
    -- All of them: a fault may have left it in one where it does not belong.
    for _, registry in ipairs({'finished', 'failed', 'canceled', 'scheduled'}) do
      call('ZREM', 'rq:' .. registry .. ':' .. job.queue, id)
    end
    call('DEL', 'rq:job:' .. id, 'portaria:effects:' .. id)
  end
  call('ZREM', KEYS[1], id)
end
call('XTRIM', KEYS[2], 'MAXLEN', '~', 1000000)
return #ids
