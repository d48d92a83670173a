-- settle.lua: sees to batches whose moment has come: removes what was not whole in time, places
-- what is whole, and lets the record of one whose jobs have all ended expire an hour later.
--
-- KEYS[1] portaria:batches   zset   id -> milliseconds
-- ARGV    1 at most so many jobs
-- returns how many jobs it looked at

local MOST, KEPT_LONGER, LONGEST = tonumber(ARGV[1]), 60000, 3600000
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
    call('DEL', key)
    call('ZREM', KEYS[1], id)
  end
end

-- Up to the first one that is open. Those that live for long are looked at less often.
local function look(id, key, h)
  local size, at = tonumber(h.size), tonumber(h.looked or 0)
  local first, is_open = at, false
  while at < size and left > 0 and not is_open do
    local state = call('HGET', 'rq:job:' .. member_of(id, at), 'state')
    left = left - 1
    is_open = state and not RQ_STATUS[state]
    if not is_open then at = at + 1 end
  end
  if at == size then
    call('PEXPIRE', key, REQUEST_KEPT + KEPT_LONGER)
    call('PEXPIRE', h.request, REQUEST_KEPT)
    call('ZREM', KEYS[1], id)
    return
  end
  if at > first then call('HSET', key, 'looked', at) end
  if is_open then
    local wait = math.min(LONGEST, math.max(FIRST_LOOK, (now - tonumber(h.created)) / 4))
    call('ZADD', KEYS[1], int(now + wait), id)
  end
end

for _, id in ipairs(ids) do
  if left <= 0 then break end
  local key, h = 'portaria:batch:' .. id, {}
  local fields = call('HGETALL', key)
  for i = 1, #fields, 2 do h[fields[i]] = fields[i + 1] end
  if not h.stage then
    call('ZREM', KEYS[1], id)
  elseif h.stage == 'placed' then
    look(id, key, h)
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
