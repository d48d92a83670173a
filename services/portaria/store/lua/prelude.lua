-- prelude.lua: what every script begins with. Law: read all, check all, then write; what removes
-- the old reference to a job comes last, because Lua is not rolled back.
--
-- portaria:events             stream   one entry a state change, or move within a state:
--                                      e = id state attempt previous worker next tag
-- rq:job:{id}                 hash     RQ's own fields, and ours (see store/record.py)
-- rq:queue:{queue}            list     ids, the next one first
-- portaria:wake:{queue}       list     at most 64 tokens on which idle workers block
-- portaria:progress           stream   p = id attempt tag state, b = portaria.v1.Progress; short
-- portaria:rate:{key}         string   up to when the moments of a rate are given away; expires
-- portaria:watched            string   exists while somebody watches
-- portaria:depth              hash     queue -> pending jobs
-- rq:wip:{queue}              zset     id:token -> lapse of the lease, FAR ahead of its true time
-- portaria:paused             hash     queue -> JSON of the reason: nobody claims from it
-- portaria:expiry             zset     id -> milliseconds, of jobs with a limit
-- portaria:parked:{domain}:{type}   zset   id -> when it was parked: nobody here served its type
-- portaria:alarm              stream   a = id; the last 100; schedulers sleep on it
-- portaria:types[:revision]   hash, string   descriptors of job types; see register.lua
-- portaria:namespaces         set      those that ever had a job
-- portaria:batch:{id}         hash     request, namespace, size, created; stage: open, whole,
--                                      placed, leaving; written, placed, looked, gone: up to where;
--                                      x{number}: "same ID" | "held ID" where its key was held
-- portaria:batches            zset     id of a batch -> milliseconds of the next look at it
-- portaria:ended|kids|todo:{id}   of a workflow; see flow.lua
-- portaria:workflows:{namespace}  zset ids of batches and workflows, by name (so by age)
-- portaria:index:{namespace}[:{kind}:{value}]   zset   ids, by name (so by age); kinds are type,
--                                      workflow, label and schedule
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
local function show(id, job, report)
  if call('EXISTS', 'portaria:watched') == 1 then
    local state = job.state == 'CANCELLING' and job.state or 'RUNNING'
    call('XADD', 'portaria:progress', 'MAXLEN', '~', 10000, '*',
      'p', table.concat({id, job.attempt, job.tag, state}, ' '), 'b', report)
  end
end

-- Wakes as many idle workers as there are new jobs, one where that is not said.
local function wake(queue, count)
  local key = 'portaria:wake:' .. queue
  local missing = math.min(count or 1, 64 - call('LLEN', key))
  if missing == 1 then
    call('RPUSH', key, '1')
  elseif missing > 1 then
    local tokens = {}
    for i = 1, missing do tokens[i] = '1' end
    call('RPUSH', key, unpack(tokens))
  end
end

-- Ends the sleep of schedulers: something is due sooner than they know; `id` is of the schedule
-- that changed, "" of none.
local function alarm(id)
  call('XADD', 'portaria:alarm', 'MAXLEN', 100, '*', 'a', id)
end

-- A job waits for its moment.
local function await(id, due)
  call('ZADD', 'portaria:due', int(due), id)
  if call('ZRANGE', 'portaria:due', 0, 0)[1] == id then alarm('') end
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
  local schedule = string.match(tag, ' @(%S+)')
  if schedule then found[#found + 1] = base .. ':schedule:' .. schedule end
  return found
end

-- The set in which a job waits for a worker that serves its type.
local function parking(job)
  return 'portaria:parked:' .. string.match(job.queue, '^[%w_]+') .. ':' .. job.type
end

-- A held job goes back to the front of its queue, its hold ends. `member` is id:token.
local function give_back(id, member, job, queue, fields)
  local cursor = job.cursor
  if job.begun or cursor == '' then
    cursor = tell(id, 'PENDING', job.attempt, job.state, '-', '0', job.tag)
  end
  call('LPUSH', 'rq:queue:' .. queue, id)
  call('HINCRBY', DEPTH, queue, '1')
  call('HSET', 'rq:job:' .. id, 'status', 'queued', 'state', 'PENDING', 'hold', '', 'cursor',
    cursor, 'updated', NOW, 'enqueued_at', iso(), unpack(fields))
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

-- What follows the end of a job of a workflow; see flow.lua.
local advance
-- What the end and the retry of a job with hooks begin with; see hooks.lua.
local fire_end, fire_retry

-- A job reaches its terminal state. `fields` are set with it. Its purge is written down first, so
-- that a finished job can never be one that nothing would remove.
local function finish(id, member, job, queue, state, worker, fields)
  local status = RQ_STATUS[state]
  call('ZADD', 'portaria:purge', int(now + math.max(tonumber(job.ttl), REQUEST_KEPT)), id)
  local cursor = tell(id, state, job.attempt, job.state, worker, '0', job.tag)
  if job.link then advance(id, job, state) end
  if job.request ~= '' then call('PEXPIRE', job.request, REQUEST_KEPT) end
  call('ZADD', 'rq:' .. status .. ':' .. queue, ENDED, id)
  if job.hooks then fire_end(id, state) end
  call('HSET', 'rq:job:' .. id, 'status', status, 'state', state, 'hold', '', 'cursor', cursor,
    'updated', NOW, 'ended', NOW, 'ended_at', iso(), unpack(fields))
  if job.before > 0 or job.deadline > 0 then call('ZREM', 'portaria:expiry', id) end
  free_key(id, job)
  call('ZREM', 'rq:wip:' .. queue, member)
end

-- The attempts that did not succeed, this one last, as a value of the field `past`: a line "number
-- started ended due what length worker" each, and so many bytes of its failure. `what` is crashes
-- or losts where its worker is to blame, else "-". The oldest are dropped.
local PAST = 16384
local function past(id, job, worker, due, what, failure)
  local h = call('HMGET', 'rq:job:' .. id, 'past', 'started', 'worker_name')
  if worker == '' then worker = h[3] or '-' end
  local all = (h[1] or '') .. string.format('%s %s %s %s %s %d %s\n', job.attempt,
    job.begun and h[2] or '0', NOW, int(due), what, #failure, worker) .. failure
  while #all > PAST do
    local line, length = string.match(all, '^(%S+ %S+ %S+ %S+ %S+ (%d+) [^\n]*\n)')
    if not line or #line + length >= #all then break end
    all = string.sub(all, #line + length + 1)
  end
  return all
end

-- What a worker's death or silence does to a job that it had begun: back to its queue, until the
-- budget for such ends is used up. `what` is crashes or losts.
local function charge(id, member, job, queue, what, budget, failure, doubt)
  local count = tonumber(job[what]) + 1
  local fields = {what, count, 'past', past(id, job, '', 0, what, '')}
  if job.state == 'CANCELLING' and job.once ~= '1' then
    finish(id, member, job, queue, 'CANCELLED', '-', fields)
  elseif job.once == '1' or count >= budget then
    fields[5], fields[6] = 'failure', job.once == '1' and doubt or failure
    finish(id, member, job, queue, 'FAILED', '-', fields)
  else
    give_back(id, member, job, queue, fields)
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
    'unique', 'begun', 'parked', 'cursor', 'updated', 'link', 'hooks')
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
    updated = tonumber(h[19] or 0) or 0, link = h[20], hooks = h[21]}
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

-- Forgets a job that has ended, all but its entry in portaria:purge: that goes last, so that a
-- repeat after a fault finds it again. All registries are looked into, since a fault may have left
-- it in one where it does not belong.
local function forget(id, job)
  tell(id, 'REMOVED', job.attempt, job.state, '-', 0, job.tag)
  for _, index in ipairs(indexes(job.tag)) do call('ZREM', index, id) end
  for _, registry in ipairs({'finished', 'failed', 'canceled', 'scheduled'}) do
    call('ZREM', 'rq:' .. registry .. ':' .. job.queue, id)
  end
  call('ZREM', parking(job), id)
  free_key(id, job)
  call('DEL', 'rq:job:' .. id, 'portaria:effects:' .. id)
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
    give_back(id, member, job, queue, {'crashes', job.crashes})
  end
end

-- Each job in a record of portaria:holds: id, queue and token of the hold.
local function holds(ids)
  return string.gmatch(ids, '([^%s|]+)|([^%s|]+)|(%S+)')
end

-- Read by RQ's tools, as the pickled call (entry function, no instance, no arguments); a literal
-- in ASCII, so that nothing of ours ever pickles or unpickles.
local DATA = '(Vportaria.runtime.entry.refuse\nN(l(dt.'

-- RQ's word for each state of a job that has not begun.
local RQ_WAITING = {PENDING = 'queued', SCHEDULED = 'scheduled', BLOCKED = 'deferred'}

local NOTHING = {}

-- Writes a new job, which is placed by what follows. `kind` has what the jobs of a batch may share,
-- `job.more` further fields.
local function write(id, kind, job)
  local state = job.state
  call('HSET', 'rq:job:' .. id,
    'status', RQ_WAITING[state] or RQ_STATUS[state], 'origin', kind.queue, 'created_at', iso(),
    'enqueued_at', state == 'PENDING' and iso() or '', 'data', DATA, 'timeout', kind.timeout,
    'description', kind.type, 'result_ttl', math.floor(kind.ttl / 1000),
    'state', state, 'type', kind.type, 'namespace', kind.namespace,
    'env', job.env, 'tag', kind.tag, 'ttl', kind.ttl, 'max_attempts', kind.max_attempts,
    'once', kind.once, 'request', job.request, 'created', NOW, 'updated', NOW,
    'due', int(job.due), 'hold', '', 'attempt', '0', 'failures', '0', 'crashes', '0', 'losts', '0',
    'before', int(job.before), 'deadline', int(job.deadline), 'unique', job.unique,
    'retried_from', job.retried_from, unpack(job.more or NOTHING))
end

-- Writes down when a job expires: at the nearer one; expire.lua writes down what follows it.
local function limit(id, before, deadline)
  if before == 0 and deadline == 0 then return end
  local nearer = (before == 0 or (deadline > 0 and deadline < before)) and deadline or before
  call('ZADD', 'portaria:expiry', int(nearer), id)
end

-- Who holds a unique key beside the job `own`. A job that ended has released its key; one that was
-- never placed was never acknowledged, unless it waits for the rest of its batch.
local function holder_of(unique, own)
  local id = unique ~= '' and call('GET', unique)
  if not id or id == own then return nil end
  local h = redis.pcall('HMGET', 'rq:job:' .. id, 'state', 'cursor', 'unique')
  if not h[1] or not (h[2] or h[1] == 'BLOCKED') or RQ_STATUS[h[1]] or h[3] ~= unique then
    return nil
  end
  return id
end

-- Adds up to two values to the list of a name; the names themselves stand in order, too.
local function collect(lists, name, first, second)
  local list = lists[name]
  if not list then
    list = {}
    lists[name], lists[#lists + 1] = list, name
  end
  list[#list + 1] = first
  list[#list + 1] = second
end

-- A job of a workflow that ended in an earlier run of the workflow: it is over already, and told
-- its join when it was written: see batch.lua.
local function place_reused(id, job)
  call('ZADD', 'portaria:purge', int(now + REQUEST_KEPT), id)
  call('ZADD', 'rq:' .. RQ_STATUS[job.state] .. ':' .. job.queue, ENDED, id)
end

-- Places jobs that are written: {id, state, queue, due, tag, unique, before, deadline, link} each.
-- What they share is sent once. One that waits for others stays BLOCKED. The cursor comes last: a
-- job without one is placed again by a repeat.
local function place_all(namespace, jobs)
  local known, places, pushes = {}, {}, {}
  for _, job in ipairs(jobs) do
    local id, tag, link = job.id, job.tag, job.link
    local is_over = link and RQ_STATUS[job.state]
    local is_blocked = link and not is_over and string.sub(link, -2) ~= ' -'
    local waits = not is_over and not is_blocked and job.due > now
    local state = is_over and job.state or is_blocked and 'BLOCKED' or waits and 'SCHEDULED'
      or 'PENDING'
    if is_over then place_reused(id, job) end
    job.cursor = tell(id, state, 0, '-', '-', waits and int(job.due) or 0, tag)
    if job.state ~= state then
      call('HSET', 'rq:job:' .. id, 'status', RQ_WAITING[state], 'state', state, 'updated', NOW,
        'enqueued_at', waits and '' or iso())
    end
    known[tag] = known[tag] or indexes(tag)
    for _, index in ipairs(known[tag]) do collect(places, index, 0, id) end
    if not is_over then limit(id, job.before, job.deadline) end
    if waits then
      call('ZADD', 'rq:scheduled:' .. job.queue, job.due / 1000 + FAR, id)
      await(id, job.due)
    end
    collect(pushes, job.queue, state == 'PENDING' and id or nil)
  end
  if #jobs > 0 then call('SADD', 'portaria:namespaces', namespace) end
  for _, index in ipairs(places) do call('ZADD', index, unpack(places[index])) end
  for _, queue in ipairs(pushes) do
    local new = pushes[queue]
    call('SADD', 'rq:queues', 'rq:queue:' .. queue)
    if #new > 0 then
      call('RPUSH', 'rq:queue:' .. queue, unpack(new))
      call('HINCRBY', DEPTH, queue, #new)
      wake(queue, #new)
    end
  end
  for _, job in ipairs(jobs) do
    call('HSET', 'rq:job:' .. job.id, 'cursor', job.cursor)
    if job.unique ~= '' and call('GET', job.unique) == job.id then call('PERSIST', job.unique) end
  end
end

-- The id of a batch's job by its place in it, from 0; see core/ids.py.
local function member_of(batch, number)
  local rest = string.sub(batch, 19)
  if number >= 4095 then
    local last = tonumber(string.sub(rest, -1), 16) + math.floor(number / 4095)
    rest = string.sub(rest, 1, -2) .. string.format('%x', last % 16)
  end
  return string.sub(batch, 1, 15) .. string.format('%03x', number % 4095) .. rest
end

local SLICE = 200 -- jobs that one call touches at most
local FIRST_LOOK = 60000 -- milliseconds from which it is looked whether all of a batch has ended

-- Places the next jobs of a batch that is whole, from number `from` of `size`. Those that are not
-- there were bad, stood for others, or are placed already.
local function place_batch(batch, namespace, from, size)
  local upto, jobs = math.min(size, from + SLICE), {}
  for number = from, upto - 1 do
    local id = member_of(batch, number)
    local h = call('HMGET', 'rq:job:' .. id, 'state', 'cursor', 'origin', 'due', 'tag', 'unique',
      'before', 'deadline', 'link')
    if h[1] and not h[2] then
      jobs[#jobs + 1] = {id = id, state = h[1], queue = h[3], due = tonumber(h[4]), tag = h[5],
        unique = h[6], before = tonumber(h[7]), deadline = tonumber(h[8]), link = h[9]}
    end
  end
  place_all(namespace, jobs)
  return upto
end

-- Notes how far a batch is placed.
local function placed(batch, upto, size)
  local key, is_whole = 'portaria:batch:' .. batch, upto >= size
  if is_whole then
    call('ZADD', 'portaria:workflows:' .. call('HGET', key, 'namespace'), 0, batch)
    -- What its jobs have ended already is seen to at once.
    local soon = call('EXISTS', 'portaria:todo:' .. batch) == 1 and 0 or int(now + FIRST_LOOK)
    call('ZADD', 'portaria:batches', soon, batch)
  end
  call('HSET', key, 'placed', upto, 'stage', is_whole and 'placed' or 'whole')
end
