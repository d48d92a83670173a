-- clear.lua: cancels what waits in a queue, a slice a call.
--
-- KEYS[1] rq:queue:{queue}   list   ids, the next one first
-- ARGV    1 namespace  2 queue  3 reason  4 created more than so many ms ago (0: whenever)
--         5 from which place, if  6 is the id before it ("": from the front)  7 at most so many
-- returns {cancelled, place, id before it} to go on with, or {cancelled, -1, ""} at the end
--
-- The ids stay in the list: the claim drops them. Where workers did so since the slice before, the
-- place has moved, and the id tells where to; where that is gone, all before it is, too.

local NAMESPACE, QUEUE, REASON = ARGV[1], ARGV[2], ARGV[3]
local AGE, FROM, BEFORE, MOST = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])

call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua
if BEFORE == '' then
  FROM = 0
elseif FROM < 1 or call('LINDEX', KEYS[1], int(FROM - 1)) ~= BEFORE then
  local at = call('LPOS', KEYS[1], BEFORE)
  FROM = at and at + 1 or 0
end
local ids = call('LRANGE', KEYS[1], int(FROM), int(FROM + MOST - 1))

local function is_meant(id, job)
  if string.match(job.tag, '^%S+ %S+ (%S+)') ~= NAMESPACE then return false end
  return AGE == 0 or tonumber(call('HGET', 'rq:job:' .. id, 'created') or 0) < now - AGE
end

local cancelled = 0
for _, id in ipairs(ids) do
  local job = read(id)
  if job and job.state == 'PENDING' and job.hold == '' and not job.parked and job.queue == QUEUE
    and is_meant(id, job) then
    drop(id, job, 'CANCELLED', {'cancel_reason', REASON})
    cancelled = cancelled + 1
  end
end
if #ids < MOST then return {cancelled, -1, ''} end
return {cancelled, FROM + MOST, ids[#ids]}
