-- hooks.lua: submits the jobs that others have as their hooks; before each script that ends jobs.
--
-- A hook is sealed with the job that it is for, and packed into one field of that job's hash:
--   hooks                   which ones there are: s (on success), f (on failure), r (on retry)
--   hook_s, hook_f, hook_r  id, timeout s, ttl ms, max attempts, at most once (0|1), delay ms, run
--                           at ms, start before ms, deadline ms (each 0: none), tag; a line feed;
--                           the envelope. That id is a family's for hook_r: see member_of.
--
-- Fired before the change that it belongs to, and with its own id: a repeat after a fault finds it
-- placed, or places it. Its namespace's index has it first, so that the audit finds one whose job
-- nobody ends again in the same way.

local PACKED = '^(%S+) (%d+) (%d+) (%d+) ([01]) (%d+) (%d+) (%d+) (%d+) (([%w_]+:%l+) (%S+) (%S+) '
  .. '%S+ %S+)\n(.*)$'

-- Submits a packed hook, once; `number` tells those of a family apart. What is not as we pack it
-- is none: see `read`.
local function fire(packed, number)
  local id, timeout, ttl, attempts, once, delay, run_at, before, deadline, tag, queue, job_type,
    namespace, env = string.match(packed or '', PACKED)
  if not id then return end
  if number then id = member_of(id, number) end
  local h = redis.pcall('HMGET', 'rq:job:' .. id, 'cursor', 'due', 'hold', 'state')
  -- One that a fault left without a cursor may be claimed already.
  if h.err or h[1] or (h[3] or '') ~= '' then return end
  local due = run_at ~= '0' and tonumber(run_at) or now + tonumber(delay)
  due = tonumber(h[2] or due) or due
  local job = {id = id, state = h[4] or due > now and 'SCHEDULED' or 'PENDING', queue = queue,
    type = job_type, namespace = namespace, env = env, timeout = timeout, ttl = ttl,
    max_attempts = attempts, once = once, tag = tag, due = due, before = tonumber(before),
    deadline = tonumber(deadline), unique = '', request = '', retried_from = ''}
  call('ZADD', 'portaria:index:' .. namespace, 0, id)
  if not h[2] then write(id, job, job) end
  place_all(namespace, {job})
end

local AT_END = {SUCCEEDED = 'hook_s', FAILED = 'hook_f', EXPIRED = 'hook_f'}

-- A job with hooks is about to end so. Then they are nobody's any more: should a fault come before
-- the end, and another run end otherwise, one of them was enough.
function fire_end(id, state)
  local key, name = 'rq:job:' .. id, AT_END[state]
  if name then fire(call('HGET', key, name)) end
  call('HDEL', key, 'hooks', 'hook_s', 'hook_f', 'hook_r')
end

-- A job with hooks is about to be tried again, after its attempt of this number.
function fire_retry(id, attempt)
  fire(call('HGET', 'rq:job:' .. id, 'hook_r'), tonumber(attempt))
end
