-- settle.lua: sees to batches and workflows whose moment has come: removes what was not whole in
-- time, places what is whole, goes on with what follows a wide step of a workflow, and forgets
-- those that are over.
--
-- KEYS[1] portaria:batches   zset   id -> milliseconds
-- ARGV    1 at most so many jobs
-- returns how many jobs it looked at

local MOST, KEPT_LONGER, LONGEST, FEW = tonumber(ARGV[1]), 60000, 3600000, 20
local ids = call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, MOST)
call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua
local left = MOST

-- The request_id is free first: who repeats it from now on begins anew.
local function remove(id, key, h)
  local size, gone = tonumber(h.size), tonumber(h.gone or 0)
  if h.stage ~= 'leaving' then call('HSET', key, 'stage', 'leaving') end
  local record = call('GET', h.request)
  if record and string.match(record, ' (%S+)$') == id then call('DEL', h.request) end
  local upto = math.min(size, gone + left)
  for number = gone, upto - 1 do
    local job = 'rq:job:' .. member_of(id, number)
    local found = call('HMGET', job, 'state', 'cursor', 'unique')
    -- One with a cursor was cancelled by its id: it has ended like any other.
    if found[1] and not found[2] then
      free_key(member_of(id, number), {unique = found[3] or ''})
      call('DEL', job)
    end
  end
  left = left - (upto - gone)
  if upto < size then
    call('HSET', key, 'gone', upto)
  else
    call('UNLINK', key, 'portaria:ended:' .. id, 'portaria:todo:' .. id)
    call('ZREM', KEYS[1], id)
  end
end

-- A workflow, or a batch whose jobs have all ended, is no more; its request_id is free.
local function forget_all(id, key, h, kept)
  local until_ms = tonumber(h.ended) + kept
  if now < until_ms then
    call('PEXPIRE', h.request, REQUEST_KEPT)
    call('ZADD', KEYS[1], int(until_ms), id)
    return
  end
  call('ZREM', 'portaria:workflows:' .. h.namespace, id)
  call('DEL', 'portaria:ended:' .. id, 'portaria:kids:' .. id, 'portaria:todo:' .. id)
  call('UNLINK', key) -- the joins of a long chain are many
  call('ZREM', KEYS[1], id)
end

-- Goes on with what follows wide steps, and looks at the end again.
local function go_on(id)
  while left > 0 do
    easy = left
    local todo = call('ZRANGE', 'portaria:todo:' .. id, 0, 0, 'WITHSCORES')
    if #todo == 0 then return end
    local join, from = todo[1], tonumber(todo[2])
    local stop = join ~= '0' and proceed(id, join, from)
    left = math.min(left - 1, easy)
    if stop then
      call('ZADD', 'portaria:todo:' .. id, stop, join)
    else
      call('ZREM', 'portaria:todo:' .. id, join)
    end
  end
end

local function wait_for(id, h)
  if call('EXISTS', 'portaria:todo:' .. id) == 1 then return end -- it is its turn again at once
  local wait = math.min(LONGEST, math.max(FIRST_LOOK, (now - tonumber(h.created)) / 4))
  call('ZADD', KEYS[1], int(now + wait), id)
end

-- A job that ended and told nobody, since a worker of a release without workflows ended it. One
-- that was cancelled before its turn tells only then: see open_step.
local function hear(id, job)
  local join, bit, _, waits = string.match(job.link or '', '^(%d+) (%d+) (%d) (%S+)')
  if not join or call('GETBIT', 'portaria:ended:' .. id, bit) == 1 then return end
  local words = waits ~= '-' and call('HGET', 'portaria:batch:' .. id, 'j' .. waits)
  if waits == '-' or is_complete(id, waits, words) then
    job.state, job.was = 'RUNNING', job.state
    advance(job.id, job, job.was)
  end
end

-- Up to the first one that is open; answers whether there is more to look at now.
local function walk(id, key, h)
  local size, at = tonumber(h.size), tonumber(h.looked or 0)
  while at < size do
    if left <= 0 then
      call('HSET', key, 'looked', at)
      return true
    end
    local job = read(member_of(id, at))
    left = left - 1
    if job and not RQ_STATUS[job.state] then break end
    if job then
      job.id = member_of(id, at)
      hear(id, job)
    end
    at = at + 1
  end
  call('HSET', key, 'looked', at < size and at or 0)
  return false
end

-- Some of the jobs that members submitted: whether they are open still.
local function hear_kids(id)
  local some = call('HRANDFIELD', 'portaria:kids:' .. id, FEW, 'WITHVALUES')
  for i = 1, #some, 2 do
    local job = read(some[i])
    left = left - 1
    if job and RQ_STATUS[job.state] and job.link then
      advance(some[i], job, job.state)
    elseif not job or RQ_STATUS[job.state] then
      call('HDEL', 'portaria:kids:' .. id .. ':' .. some[i + 1], some[i])
      call('HDEL', 'portaria:kids:' .. id, some[i])
      follow(id, some[i + 1])
    end
  end
end

local function look_at_flow(id, key, h)
  if h.ended then
    -- Its hour, or what its jobs wish for, is over: see conclude.
    return forget_all(id, key, h, math.max(tonumber(h.keep), REQUEST_KEPT))
  end
  go_on(id)
  if left > 0 and not walk(id, key, h) then
    hear_kids(id)
    conclude(id)
    if call('HEXISTS', key, 'ended') == 0 then wait_for(id, h) end
  end
end

-- Up to the first one that is open. Those that live for long are looked at less often.
local function look(id, key, h)
  local size, at = tonumber(h.size), tonumber(h.looked or 0)
  local first, is_open, last = at, false, h.last or '0'
  while at < size and left > 0 and not is_open do
    local job = call('HMGET', 'rq:job:' .. member_of(id, at), 'state', 'ended')
    local state = job[1]
    left = left - 1
    is_open = state and not RQ_STATUS[state]
    if not is_open then
      if state and state ~= 'SUCCEEDED' then
        call('HSETNX', key, 'c0', member_of(id, at) .. ' ' .. state)
      end
      if tonumber(job[2] or 0) > tonumber(last) then last = job[2] end
      at = at + 1
    end
  end
  if at == size then hear_kids(id) end
  if at == size and not has_kids(id) then
    if h.ended then return forget_all(id, key, h, REQUEST_KEPT + KEPT_LONGER) end
    local is_good = call('HEXISTS', key, 'c0') == 0
    call('HSET', key, 'looked', at, 'state', is_good and 'SUCCEEDED' or 'FAILED', 'ended',
      last ~= '0' and last or NOW)
    call('PEXPIRE', h.request, REQUEST_KEPT)
    call('ZADD', KEYS[1], int(now + REQUEST_KEPT + KEPT_LONGER), id)
    return
  end
  if at > first then call('HSET', key, 'looked', at, 'last', last) end
  if is_open or at == size then wait_for(id, h) end
end

local NAMES = {'stage', 'request', 'namespace', 'size', 'created', 'placed', 'looked', 'gone',
  'ended', 'keep', 'last'}
for _, id in ipairs(ids) do
  if left <= 0 then break end
  local key, h = 'portaria:batch:' .. id, {}
  local fields = call('HMGET', key, unpack(NAMES))
  for i, name in ipairs(NAMES) do h[name] = fields[i] end
  if not h.stage then
    call('ZREM', KEYS[1], id)
  elseif h.stage == 'placed' then
    if h.keep then look_at_flow(id, key, h) else look(id, key, h) end
  elseif h.stage == 'whole' then
    if left == MOST then
      placed(id, place_batch(id, h.namespace, tonumber(h.placed), tonumber(h.size)),
        tonumber(h.size))
    end
    left = 0
  else
    remove(id, key, h)
  end
end
return MOST - left
