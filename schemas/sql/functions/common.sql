-- What the engine's functions share.  Nobody else may call these.

-- The first thing about 'value' that does not have the shape 'spec', or null.
-- A spec is an object (a key with '?' may be absent or null), an array [least
-- items, most items, spec of each], or one of the words below with bounds.
create or replace function fleet.complaint(value jsonb, spec jsonb, path text)
returns text language plpgsql immutable as $$
declare
    word text[] := string_to_array(spec #>> '{}', ' ');
    plain text := value #>> '{}';
    type text := jsonb_typeof(value);
    name text;
    inner_spec jsonb;
    found text;
    fits boolean;
begin
    if jsonb_typeof(spec) = 'object' then
        if type <> 'object' then
            return path || ' must be an object';
        end if;
        for name, inner_spec in select * from jsonb_each(spec) loop
            if coalesce(jsonb_typeof(value -> rtrim(name, '?')), 'null')
                = 'null' then
                continue when name like '%?';
                return ltrim(path || '.' || name, '.') || ' is missing';
            end if;
            name := rtrim(name, '?');
            found := fleet.complaint(value -> name, inner_spec,
                                     ltrim(path || '.' || name, '.'));
            exit when found is not null;
        end loop;
        return found;
    elsif jsonb_typeof(spec) = 'array' then
        if type <> 'array' then
            return path || ' must be an array';
        end if;
        if jsonb_array_length(value) not between (spec ->> 0)::int
                                             and (spec ->> 1)::int then
            return format('%s must have %s to %s items', path, spec ->> 0,
                          spec ->> 1);
        end if;
        for i in 0 .. jsonb_array_length(value) - 1 loop
            found := fleet.complaint(value -> i, spec -> 2,
                                     format('%s[%s]', path, i));
            exit when found is not null;
        end loop;
        return found;
    end if;
    fits := case word[1]
        when 'any' then true
        when 'bool' then type = 'boolean'
        when 'object' then type = 'object'
            and octet_length(value::text) <= word[2]::int
        when 'uuid' then type = 'string' and plain ~* ('^[0-9a-f]{8}(-'
            '[0-9a-f]{4}){3}-[0-9a-f]{12}$')
        when 'sha256' then type = 'string' and plain ~ '^[0-9a-f]{64}$'
        when 'trace' then type = 'string' and plain ~ '^[0-9a-f-]{1,64}$'
        when 'name' then type = 'string'
            and fleet.is_name(plain)
        when 'agent' then type = 'string'
            and fleet.is_agent(plain)
        when 'one' then type = 'string'
            and plain = any(string_to_array(word[2], '|'))
        when 'text' then type = 'string'
            and length(plain) between word[2]::int and word[3]::int
        when 'int' then type = 'number'
            and plain::numeric between word[2]::numeric and word[3]::numeric
            and plain::numeric % 1 = 0
        when 'decimal' then plain ~ '^-?[0-9]{1,20}([.][0-9]{1,20})?$'
            and plain::numeric between word[2]::numeric and word[3]::numeric
        when 'time' then type = 'string' and plain ~ ('^[0-9]{4}-[0-9]{2}-'
            '[0-9]{2}([ T][0-9:.]{5,15}(Z|[+-][0-9:]{2,5})?)?$')
        end;
    return case when fits then null else path || ' must be ' || case word[1]
        when 'bool' then 'true or false'
        when 'object' then format('an object of at most %s bytes', word[2])
        when 'one' then replace(word[2], '|', ' or ')
        when 'text' then format('text of %s to %s characters', word[2], word[3])
        when 'int' then format('a whole number from %s to %s', word[2], word[3])
        when 'decimal' then format('decimal text from %s to %s', word[2],
                                   word[3])
        when 'name' then '1 to 59 of a-z 0-9 _ . -'
        when 'agent' then '1 to 59 of a-z 0-9 _ -'
        when 'trace' then '1 to 64 of 0-9 a-f -'
        else 'a ' || word[1] end end;
end $$;

-- Whether a node's name is one.  Not with a regular expression, which took a
-- fifth of the time of planning.
create or replace function fleet.is_name(name text)
returns boolean language sql immutable as $$
    select octet_length(name) between 1 and 59
       and btrim(name, 'abcdefghijklmnopqrstuvwxyz0123456789_.-') = ''
$$;

-- An agent's name is part of a queue's, and no broker's may have a dot.
create or replace function fleet.is_agent(name text)
returns boolean language sql immutable as $$
    select fleet.is_name(name) and strpos(name, '.') = 0
$$;

-- Raises what is wrong with a request.
create or replace function fleet.refuse(name text, request jsonb, shape jsonb)
returns void language plpgsql as $$
begin
    if request -> 'v' is distinct from '1' then
        raise exception using errcode = 'FL001', message = format(
            'fleet.%s: version %s of the request is unknown, this database '
            'serves 1', name, coalesce(request ->> 'v', 'null'));
    end if;
    raise exception using errcode = 'FL002',
        message = format('fleet.%s: %s', name,
            coalesce(fleet.complaint(request, shape, ''), 'malformed'));
end $$;

-- refuse() unless the request has this shape.  For functions that are not
-- called often: the others look for themselves first.
create or replace function fleet.require(name text, request jsonb, shape jsonb)
returns void language plpgsql as $$
begin
    if request -> 'v' is distinct from '1'
        or fleet.complaint(request, shape, '') is not null then
        perform fleet.refuse(name, request, shape);
    end if;
end $$;

-- wake_ms of a reply: when the caller should reap, as far as this call knows.
create or replace function fleet.wake(ms bigint)
returns bigint language plpgsql stable as $$
begin
    if exists (select from fleet.runs where ended_at is null) then
        return greatest(0, least(ms, 60000));
    end if;
    return null;
end $$;

-- Volatile as what it calls: only then does the planner inline it.
create or replace function fleet.ms_until(at timestamptz)
returns bigint language sql volatile as $$
    select greatest(0, ceil(date_part('epoch', at - clock_timestamp()) * 1000))
        ::bigint
$$;

create or replace function fleet.is_terminal(state text)
returns boolean language sql immutable as $$
    select state in ('succeeded', 'dead', 'quarantined', 'cancelled', 'skipped')
$$;

-- Replies are put together as text: building jsonb looks every argument's type
-- up in the catalogue, and took a third of the engine's time.  What goes in
-- without quoting has been checked to need none: names and trace ids.
create or replace function fleet.bell(task fleet.tasks, trace text)
returns text language sql stable as $$
    select '{"agent":"' || task.agent || '","job":"' || task.job_id
        || '","task":"' || task.id || '","trace":'
        || coalesce('"' || trace || '"', 'null') || '}'
$$;

-- What a task's direct needs found out, as far as a dependant may know it: as
-- text, {"node": {...} or null if it ended without success}.
create or replace function fleet.needs_text(job uuid, needs text[])
returns text language plpgsql stable as $$
begin
    return (
        select '{' || string_agg(format('"%s":%s', n.node,
            case when s.task_id is null then 'null' else coalesce((
                select jsonb_object_agg(key, value)::text
                from jsonb_each(s.output)
                where key in ('detail', 'prices', 'instruments')), '{}') end),
            ',' order by n.ord) || '}'
        from unnest(needs) with ordinality as n(node, ord)
        left join fleet.results s
            on s.task_id = uuid_generate_v5(job, n.node));
end $$;

-- A task's whole input is input_head, the snapshot (or null) and input_tail.
-- Text is put together, never parsed and printed again: every claim and read of
-- a task gives the same bytes.
create or replace function fleet.input_head(
    task fleet.tasks, owner text, type text, request jsonb)
returns text language sql stable as $$
    select '{"job":{"id":"' || task.job_id
        || '","user":' || to_json(owner)::text
        || ',"type":' || to_json(type)::text
        || ',"request":' || coalesce(request::text, '{}')
        || '},"node":"' || task.node || '","agent":"' || task.agent
        || '","params":' || task.params::text || ',"snapshot":'
$$;

create or replace function fleet.input_tail(task fleet.tasks)
returns text language sql stable as $$
    select ',"needs":' || case when task.needs = '{}' then '{}'
        else fleet.needs_text(task.job_id, task.needs) end || '}'
$$;

-- Long text travels in pages of at most 48 KB, 16 to a call.
create or replace function fleet.page_chars(content text)
returns integer language sql immutable as $$
    select case when octet_length(content) = length(content) then 49152
                else 12288 end
$$;

-- The runs that are not over, or some of them if there are more than 'size':
-- from a random place on, so that repeated calls come by everywhere.
create or replace function fleet.going(size integer)
returns table (job_id uuid) language plpgsql rows 1 as $$
#variable_conflict use_column
declare
    first uuid := '00000000-0000-0000-0000-000000000000';
begin
    if (select count(*) > size
        from (select from fleet.runs where ended_at is null
              limit size + 1) r) then
        first := gen_random_uuid();
    end if;
    return query select r.job_id from fleet.runs r
        where r.ended_at is null and r.job_id >= first
        order by r.job_id limit size;
end $$;
