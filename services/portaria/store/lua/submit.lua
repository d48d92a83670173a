-- submit.lua: writes one job and places it, idempotent by request_id.
--
-- KEYS[1] portaria:request:{namespace}:{request_id}   string  "content-hash id"
-- KEYS[2] rq:job:{id}                                 hash
-- KEYS[3] rq:queue:{queue}                            list
-- KEYS[4] portaria:unique:{namespace}:{type}:{key}    string  id of the open job that holds it;
--                                                             "" where the job has none
-- ARGV    1 content hash  2 id  3 queue  4 type  5 envelope  6 timeout s  7 delay ms
--         8 run at ms (0: not given)  9 ttl ms  10 max attempts  11 at most once (0|1)  12 tag
--         13 namespace  14 start before ms  15 deadline ms (each 0: none)
--         16 what to do where the unique key is held: fail | existing
--         17 id of the job that this one repeats ("": none)
-- returns {"new", id, created ms, cursor, generation}; the same again to a re-sent call
--         {"same" | "reused", id} to another call with that request_id
--         {"same" | "held", id} where the unique key is held, as 16 says
--         {"retried", id} where another job repeats 17 already

return hand_in(KEYS, ARGV)
