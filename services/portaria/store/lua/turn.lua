-- turn.lua: finish the jobs in hand and claim more, in one round trip.
--
-- KEYS[1]  portaria:holds     hash   worker -> "incarnation token flags id|queue|token …"
-- KEYS[2]  portaria:due       zset   id -> milliseconds, where it waits for its next attempt
-- KEYS[3…] rq:queue:{queue}   list   in the order in which to claim
-- ARGV     1 worker  2 incarnation  3 token of this turn  4 lease ms  5 want
--          6 types that it serves, each between blanks ("": all)
--          7 id of the job that has begun ("": none)  8 token of its hold
--          9 given back n, then n × (id, token of its hold), the last of its queue first
--          finished n, then n × (id, token of its hold, verdict, wait ms, output, failure,
--          progress, warnings); verdict: succeeded | failed | retry (a failure) | later (is none)
-- returns  {"ok" | "again", flags, refused ids, jobs…}: flags begin with w where settle.lua has
--            work now; then they have one letter a finished job, t taken or f fenced, and one for
--            the begun, b begun or c cancelled or f fenced; a job is
--            {id, queue, envelope, token, attempt, failures, ms until its deadline or -1,
--            at most once 0|1, begun 0|1}
--          {"full", flags, refused ids} where 200 ids were looked at and there may be more
--          {"gone"} where this incarnation was closed
--
-- A claim holds; the first job that it hands out begins with it, those after it when their worker
-- says so, or with their end. One that must not run twice begins by itself, and is handed out
-- alone. One with a limit is never held for later.
--
-- An id whose hash is not one of ours was put there by other tools: it is refused, and kept for
-- people to see among RQ's failed jobs.
--
-- A paused queue is passed over, and what waits there stays counted.
-- What was claimed from it goes on.
--
-- A re-sent turn (same token) gets the same answer. At maxmemory this script must go on, so that
-- queues drain: its first write is a DEL of nothing, which Redis does not refuse then.

local WORKER, INCARNATION, TOKEN = ARGV[1], ARGV[2], ARGV[3]
local LEASE, WANT, SERVED = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local BEGUN, BEGUN_TOKEN, RETURNED = ARGV[7], ARGV[8], tonumber(ARGV[9])
local AT = 10 + RETURNED * 2
local FINISHED = tonumber(ARGV[AT])
local LOOK = 200
local LATERS = 1000 -- a job that asks to run later that often never will
local LAPSE = lapse(LEASE)

local function hand_out(id, queue, job)
  local left = job.deadline > 0 and math.max(0, job.deadline - now) or -1
  local attempt = tonumber(job.attempt)
  return {id, queue, job.env, TOKEN, job.begun and attempt or attempt + 1, job.failures, left,
    job.once, job.begun and 1 or 0}
end

local record = call('HGET', KEYS[1], WORKER)
local held = ''
if record then
  local incarnation, token, flags, ids = string.match(record, '^(%S+) (%S+) (%S+) ?(.*)$')
  if incarnation ~= INCARNATION then return {'gone'} end
  if token == TOKEN then
    local answer = {'again', flags, {}}
    for id, queue in holds(ids) do
      local job = read(id)
      if is_held(job, TOKEN) then answer[#answer + 1] = hand_out(id, queue, job) end
    end
    return answer
  end
  held = ids
end

-- Which of its queues are paused; nearly always there is not one such queue anywhere.
local paused = {}
if WANT > 0 and call('EXISTS', 'portaria:paused') == 1 then
  for i = 3, #KEYS do
    paused[i] = call('HEXISTS', 'portaria:paused', string.sub(KEYS[i], 10)) == 1
  end
end

call('DEL', 'portaria:nothing')

local done, flags = {}, ''
for i = 0, FINISHED - 1 do
  local at = AT + 1 + i * 8
  local id, token, verdict = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local output, failure, progress, warnings =
    ARGV[at + 4], ARGV[at + 5], ARGV[at + 6], ARGV[at + 7]
  local job = read(id)
  done[id .. token] = true
  -- Whatever its handler wishes: a job that may have had its effect does not run twice.
  if job and job.once == '1' and verdict ~= 'succeeded' then verdict = 'failed' end
  if not is_held(job, token) then
    flags = flags .. 'f'
  else
    flags = flags .. 't'
    local member, queue = id .. ':' .. token, job.queue
    local fields = {}
    if progress ~= '' or warnings ~= '' or job.attempt ~= (job.begun and '1' or '0') then
      -- Also where they are empty: an earlier attempt may have left some.
      fields = {'progress', progress, 'warnings', warnings}
    end
    if not job.begun then
      job.attempt = int(job.attempt + 1)
      fields[#fields + 1], fields[#fields + 2] = 'attempt', job.attempt
    end
    -- The last report may have stayed behind: it comes before the end that it belongs to.
    if progress ~= '' and progress ~= call('HGET', 'rq:job:' .. id, 'progress') then
      show(id, job, progress)
    end
    if verdict == 'succeeded' then
      fields[#fields + 1], fields[#fields + 2] = 'output', output
      finish(id, member, job, queue, 'SUCCEEDED', WORKER, fields)
    else
      fields[#fields + 1], fields[#fields + 2] = 'failure', failure
      if verdict ~= 'later' then
        fields[#fields + 1], fields[#fields + 2] = 'failures', int(job.failures + 1)
      end
      if verdict == 'later' then
        local laters = tonumber(call('HGET', 'rq:job:' .. id, 'laters') or 0) + 1
        fields[#fields + 1], fields[#fields + 2] = 'laters', int(laters)
        if laters >= LATERS then verdict = 'failed' end
      end
      local due = now + tonumber(ARGV[at + 3])
      -- No attempt may start past the deadline, so there will be no other one.
      local ends = verdict == 'failed' or (job.deadline > 0 and due >= job.deadline)
        or job.state == 'CANCELLING'
      fields[#fields + 1] = 'past'
      fields[#fields + 1] = past(id, job, WORKER, ends and 0 or due, '-', failure)
      if ends then
        local state = job.state == 'CANCELLING' and 'CANCELLED' or 'FAILED'
        finish(id, member, job, queue, state, WORKER, fields)
      else
        await(id, due)
        local cursor = tell(id, 'RETRYING', job.attempt, job.state, WORKER, int(due), job.tag)
        call('ZADD', 'rq:scheduled:' .. queue, due / 1000 + FAR, id)
        if job.hooks and verdict == 'retry' then fire_retry(id, job.attempt) end
        call('HSET', 'rq:job:' .. id, 'status', 'scheduled', 'state', 'RETRYING', 'hold', '',
          'cursor', cursor, 'updated', now, 'due', int(due), unpack(fields))
        call('ZREM', 'rq:wip:' .. queue, member)
      end
    end
  end
end

for i = 10, AT - 1, 2 do
  local id, token = ARGV[i], ARGV[i + 1]
  local job = read(id)
  done[id .. token] = true
  if is_held(job, token) then release(id, id .. ':' .. token, job, job.queue) end
end

if BEGUN ~= '' then
  local job = read(BEGUN)
  if not is_held(job, BEGUN_TOKEN) then
    flags = flags .. 'f'
  elseif not job.begun and job.state == 'CANCELLING' and job.once == '1' then
    flags = flags .. 'c'
  else
    flags = flags .. 'b'
    begin(BEGUN, job, WORKER)
  end
end

if left_over then flags = 'w' .. flags end

local refused = {}
local function refuse(id, queue)
  local key = 'rq:job:' .. id
  if call('TYPE', key).ok ~= 'hash' then return end
  call('ZADD', 'rq:failed:' .. queue, seconds + FAR, id)
  call('HSET', key, 'status', 'failed', 'ended_at', iso(),
    'exc_info', 'refused: this job was not submitted through the door')
  refused[#refused + 1] = id
end

-- Out of the queue until a worker says that it serves the type: no hot loop in a rolling deploy.
local function park(id, job)
  call('ZADD', parking(job), now, id)
  call('HSET', 'rq:job:' .. id, 'parked', 1)
  call('HINCRBY', DEPTH, job.queue, -1)
end

-- What was held, is not finished now and was not given to others stays in the record.
local names = {}
for id, queue, token in holds(held) do
  if not done[id .. token] and is_held(read(id), token) then
    names[#names + 1] = table.concat({id, queue, token}, '|')
  end
end

local answer = {'ok', flags == '' and '-' or flags, refused}
local handed = {}

-- Holds a job, unless this very turn did before a fault cut it off, and begins it if it may.
local function take(id, queue, job)
  local first = #answer == 3
  if job.hold == '' then
    call('ZADD', 'rq:wip:' .. queue, LAPSE, id .. ':' .. TOKEN)
    job.hold = TOKEN
    if first and job.once ~= '1' then
      begin(id, job, WORKER)
    else
      call('HSET', 'rq:job:' .. id, 'hold', TOKEN, 'worker_name', WORKER, 'started_at', iso(),
        'started', NOW)
    end
    call('HINCRBY', DEPTH, queue, '-1')
  end
  answer[#answer + 1] = hand_out(id, queue, job)
  names[#names + 1] = id .. '|' .. queue .. '|' .. TOKEN
  handed[id] = true
  WANT = job.once == '1' and 0 or WANT - 1
end

local pops, looked, full, looks = {}, 0, false, WANT > 0
for i = 3, #KEYS do
  local queue, popped = string.sub(KEYS[i], 10), 0
  while WANT > 0 and not full and not paused[i] do
    local ids = call('LRANGE', KEYS[i], int(popped), int(popped + WANT - 1))
    if #ids == 0 then break end
    for _, id in ipairs(ids) do
      local job = read(id)
      local waits = job and job.state == 'PENDING' and job.hold == '' and not job.parked
        and job.queue == queue
      if waits and #answer > 3 and (job.once == '1' or limit_of(job) > 0) and not is_late(job) then
        WANT = 0 -- it stays where it is: it may not be held without beginning
      end
      if WANT == 0 then break end
      popped, looked = popped + 1, looked + 1
      -- Anything else was cancelled, moved elsewhere, or stands in the list twice.
      if waits and is_late(job) then
        drop(id, job, 'EXPIRED', {'expired', now})
      elseif waits and SERVED ~= ''
        and not string.find(SERVED, ' ' .. job.type .. ' ', 1, true) then
        park(id, job)
      elseif waits or (is_held(job, TOKEN) and job.queue == queue and not handed[id]) then
        take(id, queue, job)
      elseif not job then
        refuse(id, queue)
      end
    end
    if looked >= LOOK then full = true end
  end
  if popped > 0 then pops[#pops + 1] = {KEYS[i], popped} end
end

call('HSET', KEYS[1], WORKER,
  table.concat({INCARNATION, TOKEN, answer[2], table.concat(names, ' ')}, ' '))
for _, pop in ipairs(pops) do call('LPOP', pop[1], pop[2]) end
if #answer == 3 and full then
  answer[1] = 'full'
elseif #answer == 3 and looks then
  -- All of its queues are empty: tokens left there would wake for nothing, and whatever a fault
  -- did to their depth ends here. Of a paused one the depth is true, and a resume wakes anew.
  for i = 3, #KEYS do
    local queue = string.sub(KEYS[i], 10)
    call('DEL', 'portaria:wake:' .. queue)
    if not paused[i] then call('HDEL', DEPTH, queue) end
  end
end
return answer
