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
--
-- The first write is the job's HSET: at maxmemory it is refused, and nothing was written. The
-- request record follows it, and the placing last; a repeat that finds a record whose job was
-- never placed (no cursor) places it.

-- Read by RQ's tools, as the pickled call (entry function, no instance, no arguments); a literal
-- in ASCII, so that nothing of ours ever pickles or unpickles.
local DATA = '(Vportaria.runtime.entry.refuse\nN(l(dt.'

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

-- A job that ended has released its key; one that was never placed was never acknowledged.
local function holder_of(unique)
  local id = unique ~= '' and call('GET', unique)
  if not id or id == ARGV[2] then return nil end
  local h = redis.pcall('HMGET', 'rq:job:' .. id, 'state', 'cursor', 'unique')
  if not h[1] or not h[2] or RQ_STATUS[h[1]] or h[3] ~= unique then return nil end
  return id
end

local holder = holder_of(KEYS[5])
if holder and ARGV[16] == 'existing' then
  -- So that a repeat has the same answer, also after that job has ended.
  call('SET', KEYS[1], ARGV[1] .. ' ' .. holder, 'PX', REQUEST_KEPT)
  return {'same', holder}
elseif holder then
  return {'held', holder}
end

local due = tonumber(ARGV[8])
if due == 0 then due = now + tonumber(ARGV[7]) end
local waits = due > now
call('HSET', KEYS[2],
  'status', waits and 'scheduled' or 'queued', 'origin', ARGV[3], 'created_at', iso(),
  'enqueued_at', waits and '' or iso(), 'data', DATA, 'timeout', ARGV[6], 'description', ARGV[4],
  'result_ttl', math.floor(tonumber(ARGV[9]) / 1000),
  'state', waits and 'SCHEDULED' or 'PENDING', 'type', ARGV[4], 'namespace', ARGV[13],
  'env', ARGV[5], 'tag', ARGV[12], 'ttl', ARGV[9], 'max_attempts', ARGV[10], 'once', ARGV[11],
  'request', KEYS[1], 'created', now, 'updated', now, 'due', int(due), 'hold', '', 'attempt', 0,
  'failures', 0, 'crashes', 0, 'losts', 0, 'before', ARGV[14], 'deadline', ARGV[15],
  'unique', KEYS[5], 'retried_from', ARGV[17])
local before, deadline = tonumber(ARGV[14]), tonumber(ARGV[15])
if before > 0 or deadline > 0 then
  -- The nearer one; expire.lua writes down what follows it.
  local limit = (before == 0 or (deadline > 0 and deadline < before)) and deadline or before
  call('ZADD', 'portaria:expiry', int(limit), ARGV[2])
end
-- With an expiry until the job is placed: cut off in between, nobody would release the key.
if KEYS[5] ~= '' then call('SET', KEYS[5], ARGV[2], 'PX', REQUEST_KEPT) end
call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])
return new(ARGV[2], now, place(ARGV[2], KEYS[2], ARGV[3], due, ARGV[12], ARGV[17]))
