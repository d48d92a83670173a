-- release.lua: a release says that it applies a declared list of schedules from now on.
--
-- KEYS[1] portaria:releases  hash  {namespace}:{owner} -> the release that applied the list last
-- ARGV    1 {namespace}:{owner}  2 the release that the caller read, "" for none  3 the new one
-- returns {"ok"} | {"stale"}: another one was faster
--
-- Which of two releases is the newer one is for callers to judge; this is a compare-and-set, and
-- schedule.lua writes nothing for a release that is not in it any more.

local there = call('HGET', KEYS[1], ARGV[1]) or ''
if there ~= ARGV[3] then
  if there ~= ARGV[2] then return {'stale'} end
  call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return {'ok'}
