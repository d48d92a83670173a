-- submit.lua: writes one job and places it, idempotent by request_id.
--
-- KEYS[1] portaria:request:{namespace}:{request_id}   string  "content-hash id"
-- KEYS[2] rq:job:{id}                                 hash
-- KEYS[3] rq:queue:{queue}                            list
-- KEYS[4] portaria:due                                zset    id -> milliseconds, where it waits
-- KEYS[5] portaria:unique:{namespace}:{type}:{key}    string  id of the open job that holds it;
--                                                             "" where the job has none
-- ARGV    1 content hash  2 id  3 queue  4 type  5 envelope  6 timeout s  7 delay ms
--         8 run at ms (0: not given)  9 ttl ms  10 max attempts  11 at most once (0|1)  12 tag
--         13 namespace  14 start before ms  15 deadline ms (each 0: none)
--         16 what to do where the unique key is held: fail | existing
--         17 id of the job that this one repeats ("": none)
-- returns {"new", id, created ms, cursor, generation}; the same again to a re-sent call
--         {"same" | "reused", id} to another call with that request_id
--         {"same" | "held", id} where the unique key is held, as 16 says
--         {"retried", id} where another job repeats 17 already
--
-- The first write is the job's HSET: at maxmemory it is refused, and nothing was written. The
-- request record follows it, and the placing last; a repeat that finds a record whose job was
-- never placed (no cursor) places it.

local function place(id, key, queue, due, tag, retried)
  local waits = due > now
  local state = waits and 'SCHEDULED' or 'PENDING'
  local cursor = tell(id, state, 0, '-', '-', waits and int(due) or 0, tag)
  call('SADD', 'rq:queues', 'rq:queue:' .. queue)
  call('SADD', 'portaria:namespaces', ARGV[13])
  for _, index in ipairs(indexes(tag)) do call('ZADD', index, 0, id) end
  if retried ~= '' and call('EXISTS', 'rq:job:' .. retried) == 1 then
    call('HSET', 'rq:job:' .. retried, 'retried_as', id)
  end
  if waits then
    call('ZADD', 'rq:scheduled:' .. queue, due / 1000 + FAR, id)
    call('ZADD', KEYS[4], int(due), id)
  else
    call('RPUSH', 'rq:queue:' .. queue, id)
    call('HINCRBY', DEPTH, queue, 1)
    wake(queue)
  end
  call('HSET', key, 'cursor', cursor)
  if KEYS[5] ~= '' and call('GET', KEYS[5]) == id then call('PERSIST', KEYS[5]) end
  return cursor
end

local function new(id, created, cursor)
  return {'new', id, int(created), cursor, call('GET', 'portaria:generation') or ''}
end

local record = call('GET', KEYS[1])
if record then
  local hash, id = string.match(record, '^(%S+) (%S+)$')
  if hash ~= ARGV[1] then return {'reused', id} end
  local key = 'rq:job:' .. id
  local h = call('HMGET', key, 'cursor', 'origin', 'due', 'tag', 'created', 'state', 'attempt',
    'retried_from')
  if not h[2] then return {'same', id} end
  local cursor, due, created = h[1], tonumber(h[3]), tonumber(h[5])
  if not cursor then
    -- Its moment may have come since: in a queue, SCHEDULED would be taken for a mistake.
    local waits = due > now
    call('HSET', key, 'status', waits and 'scheduled' or 'queued', 'state',
      waits and 'SCHEDULED' or 'PENDING')
    cursor = place(id, key, h[2], due, h[4], h[8] or '')
  end
  -- Sent twice, and nothing has happened to the job since.
  local first = due > created and 'SCHEDULED' or 'PENDING'
  if id == ARGV[2] and h[6] == first and h[7] == '0' then return new(id, created, cursor) end
  return {'same', id}
end

-- Whoever asks, and however often: a job is repeated once. Then it is the repeat that may be.
local repeated = ARGV[17] ~= '' and call('HGET', 'rq:job:' .. ARGV[17], 'retried_as')
if repeated and repeated ~= ARGV[2] and call('HEXISTS', 'rq:job:' .. repeated, 'cursor') == 1 then
  return {'retried', repeated}
end

local holder = holder_of(KEYS[5], ARGV[2])
if holder and ARGV[16] == 'existing' then
  -- So that a repeat has the same answer, also after that job has ended.
  call('SET', KEYS[1], ARGV[1] .. ' ' .. holder, 'PX', REQUEST_KEPT)
  return {'same', holder}
elseif holder then
  return {'held', holder}
end

local due = tonumber(ARGV[8])
if due == 0 then due = now + tonumber(ARGV[7]) end
local before, deadline = tonumber(ARGV[14]), tonumber(ARGV[15])
local job = {queue = ARGV[3], type = ARGV[4], env = ARGV[5], timeout = ARGV[6], ttl = ARGV[9],
  max_attempts = ARGV[10], once = ARGV[11], tag = ARGV[12], namespace = ARGV[13],
  state = due > now and 'SCHEDULED' or 'PENDING', due = due, before = before, deadline = deadline,
  unique = KEYS[5], request = KEYS[1], retried_from = ARGV[17]}
write(ARGV[2], job, job)
limit(ARGV[2], before, deadline)
-- With an expiry until the job is placed: cut off in between, nobody would release the key.
if KEYS[5] ~= '' then call('SET', KEYS[5], ARGV[2], 'PX', REQUEST_KEPT) end
call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])
return new(ARGV[2], now, place(ARGV[2], KEYS[2], ARGV[3], due, ARGV[12], ARGV[17]))
