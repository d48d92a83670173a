-- progress.lua: the latest progress of a running job, kept with it and told to watchers.
--
-- KEYS[1] rq:job:{id}   hash
-- ARGV    1 id  2 token of its hold  3 portaria.v1.Progress
-- returns "held" | "cancel" | "lost"
--
-- What reports progress has begun, whatever its worker had time to say.

local job = read(ARGV[1])
if not is_held(job, ARGV[2]) then return 'lost' end
call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua
if not job.begun then begin(ARGV[1], job, call('HGET', KEYS[1], 'worker_name') or '-') end
call('HSET', 'rq:job:' .. ARGV[1], 'progress', ARGV[3], 'updated', now)
show(ARGV[1], job, ARGV[3])
return job.state == 'CANCELLING' and 'cancel' or 'held'
