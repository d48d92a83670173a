-- throttle.lua: takes the next moment of a rate that all workers share.
--
-- KEYS[1] portaria:rate:{key}   string   milliseconds up to which moments are given away; expires
-- ARGV    1 milliseconds between two  2 how many may come at once  3 milliseconds that are given
--         away ahead, at the most
-- returns milliseconds to wait, as text; "-" and as many where it was not given: ask again then
--
-- A moment that is given is never given back: a repeat wastes one, and no rate is ever exceeded.

local EVERY, BURST, AHEAD = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local exact = seconds * 1000 + clock[2] / 1000
local given = math.max(tonumber(call('GET', KEYS[1]) or '') or 0, exact) + EVERY
local wait = given - EVERY * BURST - exact
if wait > AHEAD then return string.format('-%.3f', wait - AHEAD) end
call('DEL', 'portaria:nothing') -- goes on at maxmemory; see turn.lua
call('SET', KEYS[1], string.format('%.3f', given), 'PX', int(math.ceil(given - exact) + 1000))
return string.format('%.3f', math.max(wait, 0))
