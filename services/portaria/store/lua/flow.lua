-- flow.lua: what follows the end of a job of a workflow; before each script that ends jobs.
--
-- Jobs of a workflow are numbers, in the order in which they are written down. Those with which a
-- step ends tell the join that follows it, by a bit each. When all of its bits are set, a join lets
-- the step after it go; or it ends the rest of its chain, where a failure counts, and tells the
-- join that follows the chain. Join 0 is the end of the workflow: all bits of all joins.
--
-- rq:job:{id}          link   "join bit spared waits": the join that it tells, by which bit ("kid"
--                             where a member submitted it), whether its failure does not count
--                             there (0|1), the join that it waits for ("-": none)
-- portaria:batch:{id}  j{n}   "byte bytes size upto rest tells spared" of join n: where its bits
--                             are and how many; the step after it is the jobs from n to before
--                             upto, its chain goes on to before rest and tells another join
--                      c{n}   "id state" of the first failure that counts at join n
--                      plan, head, keep ms, ended ms, state; hook_s, hook_f: see hooks.lua
-- portaria:ended:{id}              string  the bits
-- portaria:kids:{id}, …:{join}     hash    open jobs that members submitted; a join waits for its
-- portaria:todo:{id}               zset    join -> the number from which settle.lua goes on with
--                                          what follows it
--
-- Each part may be repeated: bits, causes and members of sets are the same the second time, and a
-- job that was let go or ended is passed over.

local easy = 40 -- jobs that this script may still let go or end besides its own
local left_over = false -- whether there is work for settle.lua at once

local function flow_of(job)
  return string.match(job.tag, '^%S+ %S+ %S+ (%S+)')
end

-- portaria.v1.Failure: KIND_DEPENDENCY, DEPENDENCY_FAILED, with the id of the cause.
local WHY = 'a job that it waits for did not succeed'
local function doomed(cause)
  return '\8\5\18\17DEPENDENCY_FAILED\26' .. string.char(#WHY) .. WHY .. '\58\36' .. cause
end

local function later(flow, join, from)
  left_over = true
  call('ZADD', 'portaria:batches', 0, flow)
  call('ZADD', 'portaria:todo:' .. flow, from, join)
end

-- Jobs whose time has come go to their queues, or wait for their moment.
local function let_go(jobs)
  local pushes = {}
  for _, job in ipairs(jobs) do
    local h = call('HMGET', 'rq:job:' .. job.id, 'due', 'delay')
    job.due = math.max(tonumber(h[1] or 0) or 0, h[2] and now + tonumber(h[2]) or now)
    local waits = job.due > now
    job.next = waits and 'SCHEDULED' or 'PENDING'
    job.told = tell(job.id, job.next, '0', 'BLOCKED', '-', waits and int(job.due) or '0', job.tag)
    if waits then
      call('ZADD', 'rq:scheduled:' .. job.queue, job.due / 1000 + FAR, job.id)
      await(job.id, job.due)
    else
      collect(pushes, job.queue, job.id)
    end
  end
  for _, queue in ipairs(pushes) do
    local new = pushes[queue]
    call('SADD', 'rq:queues', 'rq:queue:' .. queue)
    call('RPUSH', 'rq:queue:' .. queue, unpack(new))
    call('HINCRBY', DEPTH, queue, #new)
    wake(queue, #new)
  end
  for _, job in ipairs(jobs) do
    call('HSET', 'rq:job:' .. job.id, 'status', RQ_WAITING[job.next], 'state', job.next, 'cursor',
      job.told, 'updated', NOW, 'due', int(job.due),
      'enqueued_at', job.next == 'PENDING' and iso() or '')
  end
end

local follow

-- The jobs of a step may begin. One that was cancelled while it waited, or expired, is over now:
-- nothing that waits for it may begin before what it waited for has ended, too.
local function open_step(flow, join, from, upto)
  local jobs, over = {}, {}
  for number = from, upto - 1 do
    local id = member_of(flow, number)
    local job = read(id)
    if job and job.link and string.match(job.link, '(%S+)$') == join then
      job.id = id
      local list = job.state == 'BLOCKED' and jobs or RQ_STATUS[job.state] and over or {}
      list[#list + 1] = job
    end
  end
  let_go(jobs)
  for _, job in ipairs(over) do
    local tells, bit = string.match(job.link, '^(%d+) (%S+)')
    call('SETBIT', 'portaria:ended:' .. flow, bit, 1)
    follow(flow, tells)
  end
end

-- Their own joins are of this rest, too: nobody waits for those.
local function end_rest(flow, cause, from, upto)
  local failure = doomed(string.match(cause, '^%S+'))
  for number = from, upto - 1 do
    local id = member_of(flow, number)
    local job = read(id)
    local bit = job and job.link and string.match(job.link, '^%d+ (%d+)')
    if bit and job.state == 'BLOCKED' then
      job.link = nil
      drop(id, job, 'CANCELLED', {'failure', failure})
      job.state = 'CANCELLED'
    end
    if bit and RQ_STATUS[job.state] then call('SETBIT', 'portaria:ended:' .. flow, bit, 1) end
  end
end

local function has_kids(flow, join)
  return call('EXISTS', 'portaria:kids:' .. flow .. (join and ':' .. join or '')) == 1
end

-- The end of a workflow, once.
local function conclude(flow)
  local key = 'portaria:batch:' .. flow
  -- Never the plan, which may be large: a batch has nothing to keep.
  local h = call('HMGET', key, 'stage', 'size', 'ended', 'keep', 'c0', 'request')
  if not h[1] or not h[4] or h[3] then return end
  if call('BITCOUNT', 'portaria:ended:' .. flow) ~= tonumber(h[2]) or has_kids(flow) then return end
  if h[1] ~= 'placed' then return later(flow, '0', 0) end
  local state = not h[5] and 'SUCCEEDED' or string.match(h[5], ' (%S+)$')
  if state == 'EXPIRED' then state = 'FAILED' end
  local hook = state == 'SUCCEEDED' and 'hook_s' or state == 'FAILED' and 'hook_f'
  if hook then fire(call('HGET', key, hook)) end
  -- The rest settle.lua does again, should a fault come in between.
  call('HSET', key, 'state', state, 'ended', NOW)
  call('ZADD', 'portaria:batches', int(now + math.max(tonumber(h[4]), REQUEST_KEPT)), flow)
  call('PEXPIRE', h[6], REQUEST_KEPT)
end

-- What follows a join, from a number on, as far as it is easy. Answers where to go on, if anywhere.
local function proceed(flow, join, from)
  local h = call('HMGET', 'portaria:batch:' .. flow, 'j' .. join, 'c' .. join)
  local upto, rest, tells, spared = string.match(h[1] or '', '^%d+ %d+ %d+ (%d+) (%d+) (%d+) (%d)')
  if not upto then return nil end
  local cause = h[2]
  local stop = tonumber(cause and rest or upto)
  local at = math.min(stop, from + easy)
  easy = easy - math.max(1, at - from)
  if cause then
    end_rest(flow, cause, from, at)
  else
    open_step(flow, join, from, at)
  end
  if at < stop then return at end
  if cause then
    if spared == '0' then
      call('HSETNX', 'portaria:batch:' .. flow, 'c' .. tells, cause)
    end
    follow(flow, tells)
  end
  return nil
end

-- Whether all that a join waits for is over; `words` are those of its field.
local function is_complete(flow, join, words)
  local byte, bytes, size = string.match(words or '', '^(%d+) (%d+) (%d+)')
  if not byte then return false end
  local set = call('BITCOUNT', 'portaria:ended:' .. flow, byte, int(byte + bytes - 1))
  return set >= tonumber(size) and not has_kids(flow, join)
end

-- Looks whether a join is complete, and does what follows as far as it is little. `words` of the
-- join and `stage` of the workflow, where they are known.
follow = function(flow, join, words, stage)
  if join == '0' then return conclude(flow) end
  if not words then
    local h = call('HMGET', 'portaria:batch:' .. flow, 'j' .. join, 'stage')
    words, stage = h[1], h[2]
  end
  if not is_complete(flow, join, words) then return end
  local from = tonumber(join)
  if stage ~= 'placed' or easy < 1 then return later(flow, join, from) end
  local stop = proceed(flow, join, from)
  if stop then later(flow, join, stop) end
  conclude(flow)
end

advance = function(id, job, state)
  local flow = flow_of(job)
  local join, bit, spared, waits = string.match(job.link, '^(%d+) (%S+) (%d) (%S+)')
  local key = 'portaria:batch:' .. flow
  local h = join and call('HMGET', key, 'stage', 'j' .. join) or {}
  if not h[1] then return end
  if state ~= 'SUCCEEDED' and spared == '0' then
    call('HSETNX', key, 'c' .. join, id .. ' ' .. state)
  end
  if job.state == 'BLOCKED' and waits ~= '-' then return end -- see open_step
  if bit == 'kid' then
    call('HDEL', 'portaria:kids:' .. flow .. ':' .. join, id)
    call('HDEL', 'portaria:kids:' .. flow, id)
  else
    call('SETBIT', 'portaria:ended:' .. flow, bit, 1)
  end
  follow(flow, join, h[2], h[1])
end
