-- handing_in.lua: before submit.lua and tick.lua; writes one job and places it, idempotent by a
-- record of its request. Keys, arguments and answer are those of submit.lua.
--
-- The first write is the job's HSET: at maxmemory it is refused, and nothing was written. The
-- request record follows it, and the placing last; a repeat that finds a record whose job was
-- never placed (no cursor) places it.

-- Whether a job may have children: it runs, and nobody wants it to end.
local function is_running(id)
  return call('HGET', 'rq:job:' .. id, 'state') == 'RUNNING'
end

-- What waits for a job of a workflow or batch waits for its child, too; see flow.lua.
local function adopt(id, tag, link)
  local flow, join = string.match(tag, '^%S+ %S+ %S+ (%S+)'), string.match(link, '^(%d+)')
  call('HSET', 'portaria:kids:' .. flow .. ':' .. join, id, join)
  call('HSET', 'portaria:kids:' .. flow, id, join)
end

local function place(keys, namespace, id, key, queue, due, tag, retried, link)
  local waits = due > now
  local state = waits and 'SCHEDULED' or 'PENDING'
  local cursor = tell(id, state, 0, '-', '-', waits and int(due) or 0, tag)
  call('SADD', 'rq:queues', 'rq:queue:' .. queue)
  call('SADD', 'portaria:namespaces', namespace)
  for _, index in ipairs(indexes(tag)) do call('ZADD', index, 0, id) end
  if retried ~= '' and call('EXISTS', 'rq:job:' .. retried) == 1 then
    call('HSET', 'rq:job:' .. retried, 'retried_as', id)
  end
  if waits then
    call('ZADD', 'rq:scheduled:' .. queue, due / 1000 + FAR, id)
    await(id, due)
  else
    call('RPUSH', 'rq:queue:' .. queue, id)
    call('HINCRBY', DEPTH, queue, 1)
    wake(queue)
  end
  -- Not before it is somewhere: for one that nobody runs, its workflow would wait for ever.
  if link then adopt(id, tag, link) end
  call('HSET', key, 'cursor', cursor)
  if keys[4] ~= '' and call('GET', keys[4]) == id then call('PERSIST', keys[4]) end
  return cursor
end

local function new(id, created, cursor)
  return {'new', id, int(created), cursor, call('GET', 'portaria:generation') or ''}
end

local function hand_in(keys, args)
  local record = call('GET', keys[1])
  if record then
    local hash, id = string.match(record, '^(%S+) (%S+)$')
    if hash ~= args[1] then return {'reused', id} end
    local key = 'rq:job:' .. id
    local h = call('HMGET', key, 'cursor', 'origin', 'due', 'tag', 'created', 'state', 'attempt',
      'retried_from', 'link')
    if not h[2] then return {'same', id} end
    local cursor, due, created = h[1], tonumber(h[3]), tonumber(h[5])
    if not cursor then
      -- Its moment may have come since: in a queue, SCHEDULED would be taken for a mistake.
      local waits = due > now
      call('HSET', key, 'status', waits and 'scheduled' or 'queued', 'state',
        waits and 'SCHEDULED' or 'PENDING')
      cursor = place(keys, args[13], id, key, h[2], due, h[4], h[8] or '', h[9])
    end
    -- Sent twice, and nothing has happened to the job since.
    local first = due > created and 'SCHEDULED' or 'PENDING'
    if id == args[2] and h[6] == first and h[7] == '0' then return new(id, created, cursor) end
    return {'same', id}
  end

  -- Whoever asks, and however often: a job is repeated once. Then it is the repeat that may be.
  local repeated = args[17] ~= '' and call('HGET', 'rq:job:' .. args[17], 'retried_as')
  if repeated and repeated ~= args[2] and call('HEXISTS', 'rq:job:' .. repeated, 'cursor') == 1 then
    return {'retried', repeated}
  end

  if args[18] ~= '' and not is_running(args[18]) then return {'orphan', ''} end

  local holder = holder_of(keys[4], args[2])
  if holder and args[16] == 'existing' then
    -- So that a repeat has the same answer, also after that job has ended.
    call('SET', keys[1], args[1] .. ' ' .. holder, 'PX', REQUEST_KEPT)
    return {'same', holder}
  elseif holder then
    return {'held', holder}
  end

  local due = tonumber(args[8])
  if due == 0 then due = now + tonumber(args[7]) end
  local before, deadline = tonumber(args[14]), tonumber(args[15])
  local job = {queue = args[3], type = args[4], env = args[5], timeout = args[6], ttl = args[9],
    max_attempts = args[10], once = args[11], tag = args[12], namespace = args[13],
    state = due > now and 'SCHEDULED' or 'PENDING', due = due, before = before, deadline = deadline,
    unique = keys[4], request = keys[1], retried_from = args[17],
    more = args[20] and {unpack(args, 20)} or {}}
  if args[18] ~= '' then
    job.more[#job.more + 1] = 'parent'
    job.more[#job.more + 1] = args[18]
  end
  local link = args[19] ~= '' and args[19] or nil
  if link then
    job.more[#job.more + 1] = 'link'
    job.more[#job.more + 1] = link
  end
  write(args[2], job, job)
  limit(args[2], before, deadline)
  -- With an expiry until the job is placed: cut off in between, nobody would release the key.
  if keys[4] ~= '' then call('SET', keys[4], args[2], 'PX', REQUEST_KEPT) end
  call('SET', keys[1], args[1] .. ' ' .. args[2])
  return new(args[2], now,
    place(keys, args[13], args[2], keys[2], args[3], due, args[12], args[17], link))
end
