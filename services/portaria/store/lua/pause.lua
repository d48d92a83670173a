-- pause.lua: no worker claims from a queue any more, or again.
--
-- KEYS[1] portaria:paused   hash   queue -> JSON of who paused it, when and why
-- ARGV    1 queue  2 "pause" | "resume"  3 reason  4 who
-- returns 1 where that changed whether it is paused, else 0
--
-- What was claimed goes on. Pausing again replaces the reason. A resume wakes as many workers as
-- there are jobs, and ends the pause last: repeated after a fault, it wakes them again.

local QUEUE = ARGV[1]
local was = call('HEXISTS', KEYS[1], QUEUE)
if ARGV[2] == 'pause' then
  call('HSET', KEYS[1], QUEUE, cjson.encode({reason = ARGV[3], by = ARGV[4], at_ms = now}))
  return 1 - was
end
call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua
if was == 0 then return 0 end

local tokens = math.min(64, tonumber(call('HGET', DEPTH, QUEUE) or 0))
for _ = 1, tokens do wake(QUEUE) end
call('HDEL', KEYS[1], QUEUE)
return 1
