-- recover.lua: takes from a child that died or stops what it held.
--
-- KEYS[1] portaria:holds   hash   worker -> "incarnation token flags id|queue|token …"
-- ARGV    1 worker  2 incarnation that ends (* any)  3 the next one ("" removes the record)
--         4 id of the job that had begun ("" not known)  5 crash | free  6 budget of crashes
--         7 failure when the budget is used up  8 failure of a job that must not run twice
--         9 budget of losses  10 failure when that is used up
-- returns ids given back or ended
--
-- The record is replaced last: a repeat finds what is left, and takes nothing from the next
-- incarnation. Who ends whichever incarnation does not know what it had begun: all that it held
-- is charged as lost, as the reaper would. What was held and had not begun goes back free, and so
-- does what must not run twice where its process had not yet begun it.

local record = call('HGET', KEYS[1], ARGV[1])
local touched = {}
call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua
if record then
  local incarnation, _, _, ids = string.match(record, '^(%S+) (%S+) (%S+) ?(.*)$')
  if incarnation == ARGV[3] then return touched end
  if ARGV[2] ~= '*' and incarnation ~= ARGV[2] then return touched end
  -- The last one first: each goes to the front of its queue.
  local list = {}
  for id, queue, token in holds(ids) do table.insert(list, 1, {id, queue, token}) end
  for _, hold in ipairs(list) do
    local id, queue, token = unpack(hold)
    local job = read(id)
    if is_held(job, token) then
      local member = id .. ':' .. token
      -- It ran, and there was no time to say so.
      if id == ARGV[4] then begin(id, job, ARGV[1]) end
      if not job.begun then
        release(id, member, job, queue)
      elseif ARGV[2] == '*' then
        charge(id, member, job, queue, 'losts', tonumber(ARGV[9]), ARGV[10], ARGV[8])
      elseif ARGV[5] == 'crash' and (id == ARGV[4] or (ARGV[4] == '' and job.once ~= '1')) then
        charge(id, member, job, queue, 'crashes', tonumber(ARGV[6]), ARGV[7], ARGV[8])
      elseif job.once == '1' and id == ARGV[4] then
        finish(id, member, job, queue, 'FAILED', '-', {'failure', ARGV[8]})
      else
        release(id, member, job, queue)
      end
      touched[#touched + 1] = id
    end
  end
end
if ARGV[3] == '' then
  call('HDEL', KEYS[1], ARGV[1])
else
  call('HSET', KEYS[1], ARGV[1], ARGV[3] .. ' - - ')
end
return touched
