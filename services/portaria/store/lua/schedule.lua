-- schedule.lua: the definition of a schedule is made, replaced, removed; it pauses, or goes on.
--
-- KEYS[1] portaria:schedule:{namespace}:{id}   hash   definition, sealed; its revision, of which
--                                                     it tells, too; hash: of its content; owner,
--                                                     release; created, updated ms
--                                                     paused: JSON of who paused it, when and why
--                                                     error: why it cannot fire; last_tick,
--                                                     last_job, fired, passed, told: see tick.lua
-- KEYS[2] portaria:ticks                       zset   {namespace}:{id} -> ms of the next tick
-- KEYS[3] portaria:schedules:{namespace}       zset   ids of all, all with score 0
-- KEYS[4] portaria:runs:{namespace}:{id}       stream see tick.lua
-- KEYS[5] portaria:releases                    hash   see release.lua; only where a list is applied
-- ARGV    1 create | replace | remove | pause | resume | fault  2 {namespace}:{id}  3 id
--         4 the revision that the caller read; "*" any
--         5 ms of the next tick, "" for none
--         create, replace: 6 its new revision  7 definition  8 hash  9 owner  10 release
--         pause: 6 JSON  fault: 6 why
--         with KEYS[5] the last two: the list's field in it, and the release that applies it
-- returns {"ok"} | {"missing"} | {"stale"} | {"exists"} | {"same"}: it exists with this content
--         stale, too: another release has begun to apply the list
--
-- The hash is written last: what the sets name without one is no schedule, and is tidied away. A
-- removed one goes from it first.

local op, member = ARGV[1], ARGV[2]
if KEYS[5] and call('HGET', KEYS[5], ARGV[#ARGV - 1]) ~= ARGV[#ARGV] then return {'stale'} end

-- What others put in its place is no schedule, and in the way of one.
local kind = call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then call('DEL', KEYS[1]) end

local h = call('HMGET', KEYS[1], 'revision', 'hash', 'paused', 'created')
local revision, paused = h[1], h[3] and h[3] ~= ''

if op == 'create' then
  if revision and revision ~= ARGV[6] then return {h[2] == ARGV[8] and 'same' or 'exists'} end
elseif not revision then
  call('ZREM', KEYS[2], member) -- of one that a fault left without its hash
  call('ZREM', KEYS[3], ARGV[3])
  return {'missing'}
elseif ARGV[4] ~= '*' and revision ~= ARGV[4] and not (op == 'replace' and revision == ARGV[6]) then
  return {'stale'}
end

-- What stops or mends goes on at maxmemory; see turn.lua.
if op ~= 'create' and op ~= 'replace' then call('DEL', 'portaria:nothing') end

if op == 'remove' then
  call('DEL', KEYS[1], KEYS[4])
  call('ZREM', KEYS[2], member)
  call('ZREM', KEYS[3], ARGV[3])
  return {'ok'}
end

if op == 'fault' then
  call('HSET', KEYS[1], 'error', ARGV[6])
  return {'ok'}
end

-- One that runs has its plan: what is due of it must not be passed over.
if op == 'resume' and not paused then return {'ok'} end

local stops = op == 'pause' or ARGV[5] == '' or (op == 'replace' and paused)
if stops then
  call('ZREM', KEYS[2], member)
else
  call('ZADD', KEYS[2], ARGV[5], member)
end
if op == 'pause' then
  call('HSET', KEYS[1], 'paused', ARGV[6], 'updated', NOW)
elseif op == 'resume' then
  call('HSET', KEYS[1], 'paused', '', 'updated', NOW)
else
  call('ZADD', KEYS[3], 0, ARGV[3])
  call('HSET', KEYS[1], 'definition', ARGV[7], 'revision', ARGV[6], 'hash', ARGV[8], 'owner',
    ARGV[9], 'release', ARGV[10], 'created', h[4] or NOW, 'updated', NOW)
  call('HDEL', KEYS[1], 'error')
end
if not stops then alarm() end
return {'ok'}
