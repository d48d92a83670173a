-- audit.lua: looks at every open job once a minute, and mends what other tools took apart.
--
-- KEYS[1] portaria:audit   hash   namespace, after: where this round is; last: when its last slice
--                                 was; ended: when the last round ended
-- ARGV    1 at most so many  2 pause between two rounds ms  3 lease ms
--         4 pause between two slices ms, whoever asks for them
-- returns {looked at, 1 where the round goes on, ids that were mended…}
--
-- An id that RQ's tools removed from its list, registry or schedule is put back. A list of more
-- than a thousand is not searched: what it lacks is put back when it has become shorter.

local MOST, PAUSE, LEASE = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local GAP = tonumber(ARGV[4])
local SETTLED = 60000 -- milliseconds for which a job must have stood still
local LONG = 1000
local h = call('HMGET', KEYS[1], 'namespace', 'after', 'ended', 'last')
if not h[1] and now - tonumber(h[3] or 0) < PAUSE then return {0, 0} end
if h[1] and now - tonumber(h[4] or 0) < GAP then return {0, 1} end

local namespaces = call('SMEMBERS', 'portaria:namespaces')
table.sort(namespaces)
local namespace = h[1] or namespaces[1]
if not namespace then return {0, 0} end
local index = 'portaria:index:' .. namespace
local after = (h[2] or '') ~= '' and '(' .. h[2] or '-'
local ids = call('ZRANGEBYLEX', index, after, '+', 'LIMIT', 0, MOST)
call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua

local answer = {#ids, 1}
local function mend(id, ...)
  call(...)
  answer[#answer + 1] = id
end

local function is_missing_from_queue(id, queue)
  local key = 'rq:queue:' .. queue
  return call('LLEN', key) <= LONG and not call('LPOS', key, id)
end

for _, id in ipairs(ids) do
  local job = read(id)
  if not job then
    if call('EXISTS', 'rq:job:' .. id) == 0 then call('ZREM', index, id) end
  elseif RQ_STATUS[job.state] then
    -- It ended.
  elseif job.hold ~= '' then
    local member = id .. ':' .. job.hold
    if not call('ZSCORE', 'rq:wip:' .. job.queue, member) then
      mend(id, 'ZADD', 'rq:wip:' .. job.queue, lapse(LEASE), member)
    end
  elseif job.state == 'SCHEDULED' or job.state == 'RETRYING' then
    if not call('ZSCORE', 'portaria:due', id) then
      mend(id, 'ZADD', 'portaria:due', call('HGET', 'rq:job:' .. id, 'due') or now, id)
    end
  elseif job.parked then
    if not call('ZSCORE', parking(job), id) then mend(id, 'ZADD', parking(job), now, id) end
  elseif job.state == 'PENDING' and now - job.updated > SETTLED
    and is_missing_from_queue(id, job.queue) then
    mend(id, 'RPUSH', 'rq:queue:' .. job.queue, id)
    wake(job.queue)
  end
end

if #ids == MOST then
  call('HSET', KEYS[1], 'namespace', namespace, 'after', ids[#ids], 'last', now)
  return answer
end
for _, each in ipairs(namespaces) do
  if each > namespace then
    call('HSET', KEYS[1], 'namespace', each, 'after', '')
    return answer
  end
end
call('DEL', KEYS[1])
call('HSET', KEYS[1], 'ended', now)
answer[2] = 0
return answer
