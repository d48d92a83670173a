-- register.lua: the files of job types change together, or not at all.
--
-- KEYS[1] portaria:types            hash    file -> its descriptor, sealed
-- KEYS[2] portaria:types:revision   string  random, another one after each change
-- ARGV    1 the revision that the caller saw, "" for none  2 the one that follows
--         then a file and its descriptor each; "" takes the file out
-- returns 1 where they are as the caller wants, 0 where somebody was faster
--
-- Repeated after a fault it writes the same again; the revision comes last, so that no reader takes
-- a half for the whole.

local before = call('GET', KEYS[2]) or ''
if before == ARGV[2] then return 1 end
if before ~= ARGV[1] then return 0 end

for at = 3, #ARGV, 2 do
  if ARGV[at + 1] == '' then
    call('HDEL', KEYS[1], ARGV[at])
  else
    call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
  end
end
call('SET', KEYS[2], ARGV[2])
return 1
