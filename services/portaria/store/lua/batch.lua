-- batch.lua: writes a slice of a batch, at most 200 jobs, idempotent by request_id. Nothing of the
-- batch is placed before all of it is written: until then its jobs are BLOCKED.
--
-- KEYS[1] portaria:request:{namespace}:{request_id}   string  "content-hash id"
-- KEYS[2] portaria:batch:{id}                         hash    see the prelude
-- KEYS[3] portaria:batches                            zset    id -> milliseconds of the next look
-- ARGV    1 content hash  2 id  3 namespace  4 size: jobs that the batch has, bad ones included
--         5 from  6 to: the numbers that this slice is about  7 partial (0|1)
--         8 how many kinds, then seven of each: queue  type  timeout s  ttl ms  max attempts
--         at most once (0|1)  tag
--         how many fields, then name and value of each: more of the batch's hash
--         then six of each job: its number  that of its kind, from 1  envelope  unique key ("")
--         times, "" or "delay-ms run-at-ms start-before-ms deadline-ms existing(0|1) hooks"
--         link, "" or as in flow.lua; "link|old-id|state|output or failure" where
--         it ended in an earlier run of its workflow
--         and as many more as `hooks` says: fields of its hooks and their values; see hooks.lua
-- returns {"ok", stage, up to which number it is placed, then number, "same" | "held", id of each
--          job whose unique key another one holds}; without jobs a whole batch is placed further
--         {"known", id, stage, written, placed, the same triples} an earlier call with that content
--          made this batch, or this slice is not the next one
--         {"reused", id}   the request_id stands for other content
--         {"held", number, id}   a unique key is held and not partial; the batch will be removed
--         {"gone"}         the batch was not whole in time, and was removed
--
-- The first write, of the zset, is refused at maxmemory. A batch that is not whole in time is
-- removed by settle.lua, which goes on with one that is whole, too.

local HASH, ID, NAMESPACE, SIZE = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local FROM, TO, PARTIAL = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1'
local UNFINISHED, HELP = 60000, 5000 -- milliseconds until settle.lua sees to it

local function triples(answer, id)
  -- No job of a workflow stands for another one, and its joins are many.
  if call('HEXISTS', 'portaria:batch:' .. id, 'plan') == 1 then return answer end
  local h = call('HGETALL', 'portaria:batch:' .. id)
  for i = 1, #h, 2 do
    local number = string.match(h[i], '^x(%d+)$')
    if number then
      local word, other = string.match(h[i + 1], '^(%S+) (%S+)$')
      answer[#answer + 1] = number
      answer[#answer + 1] = word
      answer[#answer + 1] = other
    end
  end
  return answer
end

local function known(id)
  local h = call('HMGET', 'portaria:batch:' .. id, 'stage', 'written', 'placed')
  return triples({'known', id, h[1] or 'placed', h[2] or ARGV[4], h[3] or ARGV[4]}, id)
end

local record = call('GET', KEYS[1])
if record then
  local hash, id = string.match(record, '^(%S+) (%S+)$')
  if hash ~= HASH then return {'reused', id} end
  if id ~= ID then return known(id) end
end
local h = call('HMGET', KEYS[2], 'stage', 'written', 'placed')
local stage, written, done = h[1], tonumber(h[2] or 0), tonumber(h[3] or 0)
if stage == 'leaving' or (not record and FROM > 0) then return {'gone'} end
if stage == 'placed' or FROM > written or (record and not stage) then return known(ID) end

-- Whether all of it was written before: then what is left is to place the next ones.
local was_whole = stage == 'whole'
-- Whether it fits into one call: then its jobs need no state in between.
local is_small = FROM == 0 and TO == SIZE and SIZE <= SLICE

local kinds, at = {}, 9
for i = 1, tonumber(ARGV[8]) do
  kinds[i] = {queue = ARGV[at], type = ARGV[at + 1], timeout = ARGV[at + 2], ttl = ARGV[at + 3],
    max_attempts = ARGV[at + 4], once = ARGV[at + 5], tag = ARGV[at + 6], namespace = NAMESPACE}
  at = at + 7
end

local fields = {}
for i = at + 1, at + 2 * tonumber(ARGV[at]) do fields[#fields + 1] = ARGV[i] end
at = at + 1 + #fields

-- Of a job of a workflow: what it tells and waits for, and what it has already.
local function bind(job, link, delay)
  local plain, old, state, told = string.match(link, '^([^|]+)|([^|]+)|(%u+)|(.*)$')
  job.link = plain or link
  job.more = {'link', job.link}
  if plain then
    job.state, job.retried_from = state, old
    job.more = {'link', plain, state == 'SUCCEEDED' and 'output' or 'failure', told, 'ended', NOW,
      'ended_at', iso()}
  elseif string.sub(link, -2) ~= ' -' then
    job.state = 'BLOCKED'
    -- It counts from when the job need not wait for others any more.
    if delay > 0 then
      job.due = 0
      job.more = {'link', link, 'delay', int(delay)}
    end
  end
end

-- The job whose arguments begin there, and where those of the next one do.
local TIMES = '^(%S+) (%S+) (%S+) (%S+) (%d) (%d+)$'
local function job_of(first)
  local number, kind, envelope, unique, times, link = unpack(ARGV, first, first + 5)
  kind = kinds[tonumber(kind)]
  local job = {id = member_of(ID, tonumber(number)), kind = kind, queue = kind.queue,
    tag = kind.tag, env = envelope, unique = unique, due = now, before = 0, deadline = 0,
    request = '', retried_from = '', wants_existing = false}
  local wait, last = 0, first + 5
  if times ~= '' then
    local delay, run_at, before, deadline, existing, hooks = string.match(times, TIMES)
    job.due = run_at ~= '0' and tonumber(run_at) or now + tonumber(delay)
    wait = run_at == '0' and tonumber(delay) or 0
    job.before, job.deadline = tonumber(before), tonumber(deadline)
    job.wants_existing = existing == '1'
    last = last + tonumber(hooks)
  end
  job.state = is_small and (job.due > now and 'SCHEDULED' or 'PENDING') or 'BLOCKED'
  if link ~= '' then bind(job, link, wait) end
  if last > first + 5 and not RQ_STATUS[job.state] then
    job.more = job.more or {}
    for i = first + 6, last do job.more[#job.more + 1] = ARGV[i] end
  end
  return job, last + 1
end

-- What a call that broke off, or was sent before, has written stays as it is.
local function is_new(job, number)
  return not stage or (call('EXISTS', 'rq:job:' .. job.id) == 0
    and call('HEXISTS', KEYS[2], 'x' .. number) == 0)
end

local jobs, others, taken = {}, {}, {}
while at <= #ARGV and not was_whole do
  local number, job = ARGV[at], nil
  job, at = job_of(at)
  if is_new(job, number) then
    local holder = taken[job.unique] or holder_of(job.unique, job.id)
    if not holder then
      if job.unique ~= '' then taken[job.unique] = job.id end
      jobs[#jobs + 1] = job
    elseif job.wants_existing or PARTIAL then
      others[#others + 1] = {number, (job.wants_existing and 'same ' or 'held ') .. holder}
    else
      if stage then
        call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua
        call('ZADD', KEYS[3], 0, ID)
        call('HSET', KEYS[2], 'stage', 'leaving')
        call('DEL', KEYS[1])
      end
      return {'held', number, holder}
    end
  end
end

if was_whole then
  call('DEL', 'portaria:nothing')
else
  call('ZADD', KEYS[3], int(now + UNFINISHED), ID)
end
if not stage then
  call('HSET', KEYS[2], 'request', KEYS[1], 'namespace', NAMESPACE, 'size', SIZE, 'created', NOW,
    'written', 0, 'placed', 0, 'stage', 'open')
end
if #fields > 0 then call('HSET', KEYS[2], unpack(fields)) end
if not record then call('SET', KEYS[1], HASH .. ' ' .. ID) end
for _, each in ipairs(others) do call('HSET', KEYS[2], 'x' .. each[1], each[2]) end
for _, job in ipairs(jobs) do
  if job.link and RQ_STATUS[job.state] then
    -- Before any other one is let go: who ends last finds all of them.
    call('SETBIT', 'portaria:ended:' .. ID, string.match(job.link, '^%d+ (%d+)'), 1)
  end
  write(job.id, job.kind, job)
  -- With an expiry until the job is placed; see submit.lua.
  if job.unique ~= '' then call('SET', job.unique, job.id, 'PX', REQUEST_KEPT) end
end
local is_whole = was_whole or TO == SIZE
if not was_whole and is_whole then
  call('ZADD', KEYS[3], int(now + HELP), ID)
  call('HSET', KEYS[2], 'written', TO, 'stage', 'whole')
elseif TO > written then
  call('HSET', KEYS[2], 'written', TO)
end
if was_whole or (is_whole and is_small) then
  if stage then
    done = place_batch(ID, NAMESPACE, done, SIZE)
  else
    place_all(NAMESPACE, jobs)
    done = SIZE
  end
  placed(ID, done, SIZE)
end
local now_is = done >= SIZE and 'placed' or is_whole and 'whole' or 'open'
return triples({'ok', now_is, int(done)}, ID)
