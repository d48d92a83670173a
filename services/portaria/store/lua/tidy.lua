-- tidy.lua: forgets workers that are gone and hold nothing.
--
-- KEYS[1] portaria:holds   hash   worker -> "incarnation token flags id|queue|token …"
-- ARGV    none
-- returns how many were forgotten
--
-- A living worker writes rq:worker:NAME each second, and RQ's expiry removes it after its death.
-- What a dead one still holds is for the reaper first.

call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua
local forgotten = 0
for _, worker in ipairs(call('HKEYS', KEYS[1])) do
  if call('EXISTS', 'rq:worker:' .. worker) == 0 then
    local _, _, _, ids = string.match(call('HGET', KEYS[1], worker), '^(%S+) (%S+) (%S+) ?(.*)$')
    local holding = false
    for id, _, token in holds(ids or '') do
      holding = holding or is_held(read(id), token)
    end
    if not holding then forgotten = forgotten + call('HDEL', KEYS[1], worker) end
  end
end
return forgotten
