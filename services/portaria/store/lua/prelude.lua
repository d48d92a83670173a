-- prelude.lua: what every script begins with. Law: read all, check all, then write; what removes
-- the old reference to a job comes last, because Lua is not rolled back.
--
-- portaria:events             stream   one entry a state change:
--                                      e = id state attempt previous worker next tag
-- rq:job:{id}                 hash     RQ's own fields, and ours (see store/record.py)
-- rq:queue:{queue}            list     ids, the next one first
-- portaria:wake:{queue}       list     at most 64 tokens on which idle workers block
-- portaria:progress           stream   p = id attempt tag, b = portaria.v1.Progress; short
-- portaria:watched            string   exists while somebody watches
-- portaria:depth              hash     queue -> pending jobs
-- rq:wip:{queue}              zset     id:token -> lapse of the lease, FAR ahead of its true time
-- portaria:expiry             zset     id -> milliseconds, of jobs with a limit
-- portaria:parked:{domain}:{type}   zset   id -> when it was parked: nobody here served its type
-- portaria:namespaces         set      those that ever had a job
-- portaria:index:{namespace}[:{kind}:{value}]   zset   ids, by name (so by age); kinds are type,
--                                      workflow and label
-- rq:finished|failed|canceled|scheduled:{queue}   zset, for RQ's tools to look at

local call = redis.call

-- Added to the scores of RQ's registries, so that no clean-up of stock tools touches them.
local FAR = 10000000000

local clock = call('TIME')
local seconds = tonumber(clock[1])
local now = seconds * 1000 + math.floor(clock[2] / 1000)

-- As text, and made once: what Redis and Lua do to write a number costs as much as a command.
local NOW = string.format('%d', now)
local ENDED = string.format('%d', seconds + FAR)

local EVENTS = 'portaria:events'
local DEPTH = 'portaria:depth'
local KEPT = 600000 -- milliseconds of history in the stream of events
local OLDEST = string.format('%d-0', now - KEPT)

-- An integer as text, without the exponent that Lua would write from 1e14 on.
local function int(value)
  return string.format('%d', value)
end

-- When a lease of so many milliseconds lapses, as its score.
local function lapse(ms)
  return string.format('%.3f', (now + ms) / 1000 + FAR)
end

-- The present moment as RQ writes it (days since 0000-03-01 make leap years the last day).
local stamp
local function iso()
  if stamp then return stamp end
  local days = math.floor(seconds / 86400)
  local rest = seconds - days * 86400
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524)
    - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local day = doy - math.floor((153 * mp + 2) / 5) + 1
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  stamp = string.format('%04d-%02d-%02dT%02d:%02d:%02d.%06dZ', year, month, day,
    math.floor(rest / 3600), math.floor(rest % 3600 / 60), rest % 60, clock[2])
  return stamp
end

-- Tells watchers of a change; answers the entry's id, which becomes the job's cursor. Before the
-- change itself: a repeat after a fault tells twice rather than never.
local trimmed = false
local function tell(id, state, attempt, previous, worker, next_ms, tag)
  -- Blanks part the words of an entry.
  if string.find(worker, '%s') then worker = string.gsub(worker, '%s', '_') end
  local entry = id .. ' ' .. state .. ' ' .. attempt .. ' ' .. previous .. ' ' .. worker .. ' '
    .. next_ms .. ' ' .. tag
  if trimmed then return call('XADD', EVENTS, '*', 'e', entry) end
  trimmed = true -- once a call is enough
  return call('XADD', EVENTS, 'MINID', '~', OLDEST, '*', 'e', entry)
end

-- Tells watchers of progress (portaria.v1.Progress), where anybody watches.
local function show(id, attempt, tag, report)
  if call('EXISTS', 'portaria:watched') == 1 then
    call('XADD', 'portaria:progress', 'MAXLEN', '~', 10000, '*',
      'p', table.concat({id, attempt, tag}, ' '), 'b', report)
  end
end

local function wake(queue)
  local key = 'portaria:wake:' .. queue
  if call('LLEN', key) < 64 then call('RPUSH', key, '1') end
end

-- Where a job is found by what never changes of it.
local function indexes(tag)
  local job_type, namespace, workflow, labels =
    string.match(tag, '^%S+ (%S+) (%S+) (%S+) (%S+)')
  local base = 'portaria:index:' .. namespace
  local found = {base, base .. ':type:' .. job_type}
  if workflow ~= '-' then found[3] = base .. ':workflow:' .. workflow end
  if labels ~= '-' then
    for label in string.gmatch(labels, '[^&]+') do
      found[#found + 1] = base .. ':label:' .. label
    end
  end
  return found
end

-- The set in which a job waits for a worker that serves its type.
local function parking(job)
  return 'portaria:parked:' .. string.match(job.queue, '^[%w_]+') .. ':' .. job.type
end

-- A held job goes back to the front of its queue, its hold ends. `member` is id:token.
local function give_back(id, member, job, queue, counter, count)
  local cursor = job.cursor
  if job.begun or cursor == '' then
    cursor = tell(id, 'PENDING', job.attempt, job.state, '-', '0', job.tag)
  end
  call('LPUSH', 'rq:queue:' .. queue, id)
  call('HINCRBY', DEPTH, queue, '1')
  call('HSET', 'rq:job:' .. id, 'status', 'queued', 'state', 'PENDING', 'hold', '', 'cursor',
    cursor, 'updated', NOW, 'enqueued_at', iso(), counter, count)
  call('ZREM', 'rq:wip:' .. queue, member)
  wake(queue)
end

-- RQ's word for each of our terminal states.
local RQ_STATUS = {SUCCEEDED = 'finished', FAILED = 'failed', CANCELLED = 'canceled',
  EXPIRED = 'canceled'}
local REQUEST_KEPT = 3600000 -- milliseconds that a request_id outlives its job

-- Another job may have the unique key of one that ended.
local function free_key(id, job)
  if job.unique ~= '' and call('GET', job.unique) == id then call('DEL', job.unique) end
end

-- A job reaches its terminal state. `fields` are set with it. Its purge is written down first, so
-- that a finished job can never be one that nothing would remove.
local function finish(id, member, job, queue, state, worker, fields)
  local status = RQ_STATUS[state]
  call('ZADD', 'portaria:purge', int(now + math.max(tonumber(job.ttl), REQUEST_KEPT)), id)
  local cursor = tell(id, state, job.attempt, job.state, worker, '0', job.tag)
  if job.request ~= '' then call('PEXPIRE', job.request, REQUEST_KEPT) end
  call('ZADD', 'rq:' .. status .. ':' .. queue, ENDED, id)
  call('HSET', 'rq:job:' .. id, 'status', status, 'state', state, 'hold', '', 'cursor', cursor,
    'updated', NOW, 'ended', NOW, 'ended_at', iso(), unpack(fields))
  if job.before > 0 or job.deadline > 0 then call('ZREM', 'portaria:expiry', id) end
  free_key(id, job)
  call('ZREM', 'rq:wip:' .. queue, member)
end

-- What a worker's death or silence does to a job that it had begun: back to its queue, until the
-- budget for such ends is used up. `what` is crashes or losts.
local function charge(id, member, job, queue, what, budget, failure, doubt)
  local count = tonumber(job[what]) + 1
  if job.state == 'CANCELLING' and job.once ~= '1' then
    finish(id, member, job, queue, 'CANCELLED', '-', {what, count})
  elseif job.once == '1' then
    finish(id, member, job, queue, 'FAILED', '-', {what, count, 'failure', doubt})
  elseif count >= budget then
    finish(id, member, job, queue, 'FAILED', '-', {what, count, 'failure', failure})
  else
    give_back(id, member, job, queue, what, count)
  end
end

local NAN = 0 / 0
local STATES = {SCHEDULED = 1, BLOCKED = 1, PENDING = 1, RUNNING = 1, RETRYING = 1,
  CANCELLING = 1, SUCCEEDED = 1, FAILED = 1, CANCELLED = 1, EXPIRED = 1}

-- What the scripts need to know of a job, read at once; nil where there is none, or what is there
-- is not ours: another kind of key, or a hash in which a field is missing or not as we write it.
-- An error instead, here or in who reads it later, would stop everything behind that id.
local function read(id)
  local h = redis.pcall('HMGET', 'rq:job:' .. id, 'state', 'hold', 'origin', 'attempt',
    'failures', 'crashes', 'losts', 'tag', 'ttl', 'request', 'once', 'env', 'before', 'deadline',
    'unique', 'begun', 'parked', 'cursor', 'updated')
  for i = 1, 12 do
    if not h[i] then return nil end
  end
  local names = id .. '|' .. h[2] .. '|' .. h[3]
  local job_type = string.match(h[8], '^%S+ (%S+) %S+ %S+ %S+')
  -- One that is no number, or no whole one, leaves a rest that is not 0.
  local sum = (tonumber(h[4]) or NAN) + (tonumber(h[5]) or NAN) + (tonumber(h[6]) or NAN)
    + (tonumber(h[7]) or NAN) + (tonumber(h[9]) or NAN)
  if not (STATES[h[1]] and job_type and sum % 1 == 0
    and string.find(names, '^[^%s|]+|[%w._-]*|[%w_]+:%l+$')) then return nil end
  return {state = h[1], hold = h[2], queue = h[3], attempt = h[4], failures = h[5],
    crashes = h[6], losts = h[7], type = job_type, tag = h[8], ttl = h[9], request = h[10],
    once = h[11], env = h[12], before = tonumber(h[13] or 0) or 0,
    deadline = tonumber(h[14] or 0) or 0, unique = h[15] or '',
    -- Held is not begun; RUNNING always is.
    begun = h[1] == 'RUNNING' or (h[2] ~= '' and h[16] == h[2]),
    parked = h[17] == '1', cursor = h[18] or '',
    updated = tonumber(h[19] or 0) or 0}
end

-- The moment from which a waiting job may not begin any more; 0 where there is none. The limit for
-- its start is over once it has begun, the deadline never.
local function limit_of(job)
  local before = job.attempt == '0' and job.before or 0
  if before == 0 then return job.deadline end
  return job.deadline == 0 and before or math.min(before, job.deadline)
end

local function is_late(job)
  local limit = limit_of(job)
  return limit > 0 and now >= limit
end

local WAITING = {SCHEDULED = true, BLOCKED = true, PENDING = true, RETRYING = true}

-- Whether a job waits, held by nobody: it may be cancelled, moved, or expire.
local function is_waiting(job)
  return WAITING[job.state] and job.hold == ''
end

-- A waiting job ends, whichever way it waited. Where it stands in a queue it stays in its list: the
-- claim drops what is not PENDING.
local function drop(id, job, state, fields)
  if job.state == 'PENDING' and not job.parked then call('HINCRBY', DEPTH, job.queue, -1) end
  finish(id, '', job, job.queue, state, '-', fields)
  call('ZREM', 'rq:scheduled:' .. job.queue, id)
  call('ZREM', 'portaria:due', id)
  if job.parked then call('ZREM', parking(job), id) end
end

-- Whether a job is held under this token. A job that nobody holds has an empty one.
local function is_held(job, token)
  return job and token ~= '' and job.hold == token
end

-- A held job begins: from now on its end is charged, and its run is a start. One that is being
-- cancelled stays so.
local function begin(id, job, worker)
  if job.begun then return end
  job.attempt, job.begun = int(job.attempt + 1), true
  local key = 'rq:job:' .. id
  if job.state ~= 'PENDING' then
    call('HSET', key, 'attempt', job.attempt, 'begun', job.hold)
    return
  end
  local cursor = tell(id, 'RUNNING', job.attempt, 'PENDING', worker, '0', job.tag)
  call('HSET', key, 'status', 'started', 'state', 'RUNNING', 'hold', job.hold, 'begun', job.hold,
    'attempt', job.attempt, 'worker_name', worker, 'started_at', iso(), 'started', NOW, 'updated',
    NOW, 'cursor', cursor)
  job.state = 'RUNNING'
end

-- A held job that had not begun is nobody's any more.
local function release(id, member, job, queue)
  if job.state == 'CANCELLING' then
    finish(id, member, job, queue, 'CANCELLED', '-', {'hold', ''})
  else
    give_back(id, member, job, queue, 'crashes', job.crashes)
  end
end

-- Each job in a record of portaria:holds: id, queue and token of the hold.
local function holds(ids)
  return string.gmatch(ids, '([^%s|]+)|([^%s|]+)|(%S+)')
end
