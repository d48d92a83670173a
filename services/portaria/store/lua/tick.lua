-- tick.lua: one tick of a schedule runs, or is passed over, and the schedule moves on to the next.
--
-- KEYS[1] portaria:ticks:{namespace}            zset   id -> ms of its next tick
-- KEYS[2] portaria:schedule:{namespace}:{id}    hash   see schedule.lua
-- KEYS[3] portaria:runs:{namespace}:{id}        stream the last 50: r = tick id fired-ms passed why
-- KEYS[4] portaria:tick:{namespace}:{id}:{ms}   string "content-hash id": this tick's job; for a
--                                                      run by hand the record of its request
-- KEYS[5] rq:job:{id}  KEYS[6] rq:queue:{queue}  KEYS[7] portaria:unique:…: as for submit.lua
-- ARGV    1 id of the schedule  2 its next tick as the caller saw it, "" for a run by hand
--         3 revision of the definition that the caller read  4 the tick after this one ("": none)
--         5 what to do while the last run is open: skip | allow  6 this tick ms
--         7 how many before it were passed over with it  8 why, "-" for none
--         9 id of the job, "" where this tick is passed over, too, as 8 says
--         10... the arguments of submit.lua, where 9 is given
-- returns {"gone"}: another scheduler was faster, or the definition changed; nothing was written
--         {"passed", reason, id of the open run or "-"}
--         {"fired", what submit.lua returns}
--
-- A compare-and-set on the moment of the next tick: so each is fired once, however many schedulers
-- there are and whichever was frozen for how long. That moment moves last: what was cut off before
-- is done again, and the record of the tick keeps its job from being written twice.

local RUNS = 50
local by_hand = ARGV[2] == ''
local h = call('HMGET', KEYS[2], 'revision', 'last_job', 'told', 'fired', 'passed', 'error')
if h[1] ~= ARGV[3] then return {'gone'} end
if not by_hand then
  local due = call('ZSCORE', KEYS[1], ARGV[1])
  if not due or tonumber(due) ~= tonumber(ARGV[2]) then return {'gone'} end
end

-- The last run, where it is still open. This very tick's own job, written before a fault, is not.
local function open_run()
  local last = h[2]
  if not last or last == '' or call('EXISTS', KEYS[4]) == 1 then return nil end
  local state = call('HGET', 'rq:job:' .. last, 'state')
  return state and not RQ_STATUS[state] and last
end

local job, reason, reply = '-', ARGV[8], nil
local open = ARGV[9] ~= '' and ARGV[5] == 'skip' and open_run()
if open then
  if by_hand then return {'passed', 'OVERLAP', open} end
  reason = 'OVERLAP'
elseif ARGV[9] ~= '' then
  local args = {}
  for i = 10, #ARGV do args[i - 9] = ARGV[i] end
  reply = hand_in({KEYS[4], KEYS[5], KEYS[6], KEYS[7]}, args)
  if by_hand and reply[1] == 'same' then return {'fired', reply} end -- told already
  if reply[1] == 'new' or reply[1] == 'same' then
    job = reply[2]
  elseif by_hand then
    return {'fired', reply}
  else
    reason = reply[1] == 'held' and 'UNIQUE_KEY_HELD' or 'OTHER_DEFINITION'
  end
end

local passed = tonumber(ARGV[7]) + (job == '-' and 1 or 0)
local told = ARGV[6] .. ' ' .. job
if h[3] ~= told then
  local fields = {'told', told, 'passed', int((tonumber(h[5]) or 0) + passed)}
  if job ~= '-' then
    fields[5], fields[6] = 'fired', int((tonumber(h[4]) or 0) + 1)
    fields[7], fields[8] = 'last_job', job
    fields[9], fields[10] = 'last_tick', ARGV[6]
  end
  call('HSET', KEYS[2], unpack(fields))
end
if h[6] then call('HDEL', KEYS[2], 'error') end
local newest = call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)[1]
if not newest or string.sub(newest[2][2], 1, #told + 1) ~= told .. ' ' then
  local run = told .. ' ' .. NOW .. ' ' .. int(passed) .. ' ' .. reason
  call('XADD', KEYS[3], 'MAXLEN', RUNS, '*', 'r', run)
end
if not by_hand and ARGV[4] == '' then
  call('ZREM', KEYS[1], ARGV[1])
elseif not by_hand then
  call('ZADD', KEYS[1], ARGV[4], ARGV[1])
end
if job == '-' then return {'passed', reason, open or '-'} end
return {'fired', reply}
