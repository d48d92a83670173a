-- schedule.lua: the definition of a schedule is made, replaced, removed; it pauses, or goes on.
--
-- KEYS[1] portaria:schedule:{namespace}:{id}   hash   definition, sealed; its revision, of which
--                                                     it tells, too; hash: of its content; owner,
--                                                     release; created, updated ms
--                                                     paused: JSON of who paused it, when and why
--                                                     error: why it cannot fire; last_tick,
--                                                     last_job, fired, passed, told: see tick.lua
-- KEYS[2] portaria:ticks:{namespace}           zset   id -> ms of the next tick
-- KEYS[3] portaria:schedules:{namespace}       zset   ids of all, all with score 0
-- KEYS[4] portaria:runs:{namespace}:{id}       stream see tick.lua
-- KEYS[5] portaria:releases                    hash   see release.lua; only where a list is applied
-- ARGV    1 create | replace | remove | pause | resume | plan | fault  2 id
--         3 the revision that the caller read; "*" any, "" none
--         4 ms of the next tick, "" for none; replace: "keep" as it is; fault: as the caller saw it
--         create, replace: 5 its new revision  6 definition  7 hash  8 owner  9 release
--         pause: 5 JSON  fault: 5 why
--         with KEYS[5] the last two: the list's field in it, and the release that applies it
-- returns {"ok"} | {"missing"} | {"stale"} | {"exists"} | {"same"}: it exists with this content
--         stale, too: another release has begun to apply the list
--
-- The hash is written last: what the sets name without one is no schedule, and is tidied away. A
-- removed one goes from it first.

local op, id, next_tick = ARGV[1], ARGV[2], ARGV[4]
if KEYS[5] and call('HGET', KEYS[5], ARGV[#ARGV - 1]) ~= ARGV[#ARGV] then return {'stale'} end

-- What others put in its place is no schedule, and in the way of one.
local kind = call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then call('DEL', KEYS[1]) end

local h = call('HMGET', KEYS[1], 'revision', 'hash', 'paused', 'created')
local revision, paused = h[1], h[3] and h[3] ~= ''
local is_written = (op == 'create' or op == 'replace') and revision == ARGV[5]

-- Sent twice, and written the first time: the plan may have moved on since.
if is_written then return {'ok'} end
if op == 'create' then
  if revision then return {h[2] == ARGV[7] and 'same' or 'exists'} end
elseif not revision then
  call('ZREM', KEYS[2], id) -- of one that a fault left without its hash
  call('ZREM', KEYS[3], id)
  return {'missing'}
elseif ARGV[3] ~= '*' and revision ~= ARGV[3] then
  return {'stale'}
end

-- What stops or mends goes on at maxmemory; see turn.lua.
if op ~= 'create' and op ~= 'replace' then call('DEL', 'portaria:nothing') end

if op == 'remove' then
  call('DEL', KEYS[1], KEYS[4])
  call('ZREM', KEYS[2], id)
  call('ZREM', KEYS[3], id)
  return {'ok'}
end

if op == 'fault' then
  -- One that fired meanwhile is well.
  local due = call('ZSCORE', KEYS[2], id)
  if not due or tonumber(due) ~= tonumber(next_tick) then return {'stale'} end
  call('HSET', KEYS[1], 'error', ARGV[5])
  return {'ok'}
end

-- One that runs has its plan: what is due of it must not be passed over.
if op == 'resume' and not paused then return {'ok'} end

local stops = op == 'pause' or next_tick == '' or (paused and op ~= 'resume')
if stops then
  call('ZREM', KEYS[2], id)
elseif next_tick ~= 'keep' then
  call('ZADD', KEYS[2], next_tick, id)
end
if op == 'pause' then
  call('HSET', KEYS[1], 'paused', ARGV[5], 'updated', NOW)
elseif op == 'resume' then
  call('HSET', KEYS[1], 'paused', '', 'updated', NOW)
elseif op ~= 'plan' then
  call('ZADD', KEYS[3], 0, id)
  call('HDEL', KEYS[1], 'error')
  call('HSET', KEYS[1], 'definition', ARGV[6], 'revision', ARGV[5], 'hash', ARGV[7], 'owner',
    ARGV[8], 'release', ARGV[9], 'created', h[4] or NOW, 'updated', NOW)
end
if not stops then alarm(id) end
return {'ok'}
