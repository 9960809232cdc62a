-- What must happen at once on the broker: one script, ARGV[1] names the
-- operation.  All keys of a queue share a hash tag, so a cluster keeps them
-- together:
--
--   {alex-reporter}:stream    entries: b body; t first sent (ms); n deliveries
--                             before this entry; consumer group "fleet"
--   {alex-reporter}:delayed   due time (ms) -> packed {nonce, t, n, b}
--   {alex-reporter}:dlq       entries as above, and reason
--
-- t and n are there once a message was delayed or released; before that the
-- entry's id says when it was sent.

local stream, delayed, dlq = KEYS[1], KEYS[2], KEYS[3]

local function now()
    local t = redis.call('TIME')
    return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- How often the entry was delivered; nil when it is not this consumer's.
local function mine(id)
    local p = redis.pcall('XPENDING', stream, 'fleet', id, id, 1, ARGV[2])
    return p[1] and p[1][4]
end

-- Of the ids from ARGV[4] on those that are this consumer's, and the number of
-- the others.
local function owned()
    local ids = {}
    for i = 4, #ARGV do
        if mine(ARGV[i]) then
            ids[#ids + 1] = ARGV[i]
        end
    end
    return ids, #ARGV - 3 - #ids
end

local function find(key, id)
    return redis.call('XRANGE', key, id, id)[1]
end

local function fields(entry)
    local f = {t = string.match(entry[1], '^%d+')}
    for i = 1, #entry[2], 2 do
        f[entry[2][i]] = entry[2][i + 1]
    end
    f.n = tonumber(f.n) or 0
    return f
end

local function drop(ids)
    if #ids > 0 then
        redis.call('XACK', stream, 'fleet', unpack(ids))
        redis.call('XDEL', stream, unpack(ids))
    end
end

-- The nonce keeps equal messages apart.
local function delay(ms, t, n, body)
    local due, nonce = now() + ms, 0
    while redis.call('ZADD', delayed, 'NX', due,
                     cmsgpack.pack({nonce, t, n, body})) == 0 do
        nonce = nonce + 1
    end
end

-- A foreign entry may have any number of fields; the first fifty are kept.
local function bury(entry, reason)
    local f, e = fields(entry), {unpack(entry[2], 1, 100)}
    local n = f.n + (mine(entry[1]) or 0)
    for _, word in ipairs({'t', f.t, 'n', n, 'reason', reason}) do
        e[#e + 1] = word
    end
    redis.call('XADD', dlq, '*', unpack(e))
    drop({entry[1]})
end

local operations = {}

-- () -> 1 if the group had to be made, else 0.  Every process is a consumer of
-- its own; those long gone are forgotten here, by the next one that starts.
function operations.join()
    local made = redis.pcall('XGROUP', 'CREATE', stream, 'fleet', '0',
                             'MKSTREAM')
    if made.err and not string.find(made.err, 'BUSYGROUP') then
        return made
    end
    for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', stream, 'fleet')) do
        if c[4] == 0 and c[6] > 3600000 then
            redis.call('XGROUP', 'DELCONSUMER', stream, 'fleet', c[2])
        end
    end
    return made.err and 0 or 1
end

-- consumer: DELCONSUMER would drop what is pending, so only without any.
function operations.leave()
    local p = redis.pcall('XPENDING', stream, 'fleet', '-', '+', 1, ARGV[2])
    if not p.err and #p == 0 then
        redis.call('XGROUP', 'DELCONSUMER', stream, 'fleet', ARGV[2])
    end
    return 0
end

-- delay, body, delay, body, ...
function operations.send()
    for i = 2, #ARGV, 2 do
        if ARGV[i] == '0' then
            redis.call('XADD', stream, '*', 'b', ARGV[i + 1])
        else
            delay(ARGV[i], tostring(now()), 0, ARGV[i + 1])
        end
    end
    return 0
end

-- max -> {moved, ms until the next is due or -1}
function operations.promote()
    local t = now()
    local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', t, 'LIMIT', 0,
                           ARGV[2])
    for _, packed in ipairs(due) do
        local d = cmsgpack.unpack(packed)
        redis.call('XADD', stream, '*', 'b', d[4], 't', d[2], 'n', d[3])
    end
    if #due > 0 then
        redis.call('ZREM', delayed, unpack(due))
    end
    local first = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
    return {#due, first[2] and math.max(0, first[2] - t) or -1}
end

-- consumer, lease, cursor, max, limit in bytes -> {cursor, entries}, each with
-- a field d, its deliveries.  An entry deleted while pending has no fields.
function operations.take_over()
    local r = redis.pcall('XAUTOCLAIM', stream, 'fleet', ARGV[2], ARGV[3],
                          ARGV[4], 'COUNT', ARGV[5])
    local taken = {}
    if r.err then -- The group is gone, which the next XREADGROUP will find.
        return {'0-0', taken}
    end
    for _, e in ipairs(r[2]) do
        local bytes = 0
        for _, word in ipairs(e and e[2] or {}) do
            bytes = bytes + #word
        end
        if bytes > tonumber(ARGV[6]) then
            bury(e, 'too large')
        elseif bytes > 0 then
            e[2][#e[2] + 1] = 'd'
            e[2][#e[2] + 1] = tostring(mine(e[1]))
            taken[#taken + 1] = e
        end
    end
    return {r[1], taken}
end

-- consumer, "", ids -> lost
function operations.ack()
    local ids, lost = owned()
    drop(ids)
    return lost
end

-- consumer, delay, ids -> lost
function operations.release()
    local ids, lost = owned()
    for _, id in ipairs(ids) do
        local e = find(stream, id)
        local f = e and fields(e) or {}
        local n = (f.n or 0) + mine(id)
        if f.b and ARGV[3] == '0' then
            redis.call('XADD', stream, '*', 'b', f.b, 't', f.t, 'n', n)
        elseif f.b then
            delay(ARGV[3], f.t, n, f.b)
        end
    end
    drop(ids)
    return lost
end

-- consumer, reason, ids -> lost
function operations.bury()
    local ids, lost = owned()
    for _, id in ipairs(ids) do
        local e = find(stream, id)
        if e then
            bury(e, ARGV[3])
        end
    end
    drop(ids)
    return lost
end

-- consumer, "", ids -> lost.  JUSTID: extending is not another delivery.
function operations.extend()
    local ids, lost = owned()
    if #ids > 0 then
        ids[#ids + 1] = 'JUSTID'
        redis.call('XCLAIM', stream, 'fleet', ARGV[2], 0, unpack(ids))
    end
    return lost
end

-- () -> {waiting, in flight, delayed, dead}
function operations.depth()
    local p = redis.pcall('XPENDING', stream, 'fleet')
    local pending = p.err and 0 or p[1]
    return {math.max(0, redis.call('XLEN', stream) - pending), pending,
            redis.call('ZCARD', delayed), redis.call('XLEN', dlq)}
end

-- from, max, limit in bytes -> entries, with what is longer cut and a body of
-- none for those without
function operations.peek()
    local entries = redis.call('XRANGE', dlq, ARGV[2], '+', 'COUNT', ARGV[3])
    for _, e in ipairs(entries) do
        for i = 2, #e[2], 2 do
            e[2][i] = string.sub(e[2][i], 1, ARGV[4])
        end
        if not fields(e).b then
            e[2][#e[2] + 1] = 'b'
            e[2][#e[2] + 1] = ''
        end
    end
    return entries
end

-- id, "1" to send its body again (a new message) -> 1, or 0 if not there
function operations.take()
    local e = find(dlq, ARGV[2])
    if not e then
        return 0
    end
    local body = fields(e).b
    if ARGV[3] == '1' and body then
        redis.call('XADD', stream, '*', 'b', body)
    end
    redis.call('XDEL', dlq, ARGV[2])
    return 1
end

return operations[ARGV[1]]()
