-- effect.lua: the ledger behind ctx.once.
--
-- KEYS[1] portaria:effects:{job id}   hash   key -> "I token" begun under that hold
--                                              "U" nobody knows   "D json" happened, its value
-- ARGV    1 id  2 token of its hold  3 begin | again | done | clear | doubt | check  4 key  5 json
--         or 3 look  4... at most 200 keys
-- returns begin, again: {"new"} {"done", json} {"unknown"} {"lost"} {"cancel"}
--         check: {"ok"} {"lost"} {"cancel"}, and writes nothing; others: {"ok"}
--         look: {"ok", json | "", ...}, "" for what is not known to have happened, or {"lost"}
--
-- `done` needs no hold: the effect did happen, and only its own intent may be replaced.

local OPERATION, KEY = ARGV[3], ARGV[4]
local mine = 'I ' .. ARGV[2]

if OPERATION == 'look' then
  if not is_held(read(ARGV[1]), ARGV[2]) then return {'lost'} end
  local found = {'ok'}
  for i, entry in ipairs(call('HMGET', KEYS[1], unpack(ARGV, 4))) do
    found[i + 1] = entry and string.sub(entry, 1, 2) == 'D ' and string.sub(entry, 3) or ''
  end
  return found
end

local entry = call('HGET', KEYS[1], KEY)

if OPERATION == 'check' then
  local job = read(ARGV[1])
  if not is_held(job, ARGV[2]) then return {'lost'} end
  if job.state == 'CANCELLING' then return {'cancel'} end
  return {'ok'}
end

if OPERATION == 'begin' or OPERATION == 'again' then
  local job = read(ARGV[1])
  if not is_held(job, ARGV[2]) then return {'lost'} end
  if entry and string.sub(entry, 1, 2) == 'D ' then return {'done', string.sub(entry, 3)} end
  if job.state == 'CANCELLING' then return {'cancel'} end
  if entry and entry ~= mine and OPERATION == 'begin' then return {'unknown'} end
  call('DEL', 'portaria:nothing') -- goes on at maxmemory, as what drains must; see turn.lua
  call('HSET', KEYS[1], KEY, mine)
  return {'new'}
end

if entry == mine then
  call('DEL', 'portaria:nothing')
  if OPERATION == 'done' then
    call('HSET', KEYS[1], KEY, 'D ' .. ARGV[5])
  elseif OPERATION == 'clear' then
    call('HDEL', KEYS[1], KEY)
  else
    call('HSET', KEYS[1], KEY, 'U')
  end
end
return {'ok'}
