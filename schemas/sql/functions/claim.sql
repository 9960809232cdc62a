-- Doorbells in, a verdict each: see README.md.
--
-- Locks: tasks, and only those that are free now (skip locked), so a claim
-- waits for nobody who might wait for it.  What has to end (a run past its
-- deadline or cancelled, a tenth lost lease) needs the run's lock: that is left
-- to reap, and wake_ms 0 asks for it.
create or replace function fleet.claim(request jsonb)
returns table (head text, body text)
language plpgsql security definer
set search_path = fleet, public, pg_temp
set lock_timeout = '5s'
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set timezone = 'UTC'
as $$
#variable_conflict use_column
declare
    shape constant jsonb := '{"owner": "uuid", "agent": "agent",
        "lease_ms": "int 1000 3600000", "bells": [0, 100, {"n": "uuid",
        "job": "uuid", "task?": "uuid", "intake?": "bool"}]}';
    most constant integer := 100;
    most_bytes constant integer := 262144;
    page_bytes constant integer := 49152;
    owner_id uuid;
    my_agent text;
    lease_ms integer;
    bell_n uuid[];
    bell_job uuid[];
    bell_task uuid[];
    bell_intake boolean[];
    bells integer;
    commit_mode text;
    mine record;
    others text[];
    stuck boolean := false;
    due_ms bigint;
begin
    begin
        owner_id := request ->> 'owner';
        my_agent := request ->> 'agent';
        lease_ms := request ->> 'lease_ms';
        select array_agg((b ->> 'n')::uuid), array_agg((b ->> 'job')::uuid),
               array_agg((b ->> 'task')::uuid),
               array_agg(coalesce((b -> 'intake')::boolean, false)), count(*)
        into bell_n, bell_job, bell_task, bell_intake, bells
        from jsonb_array_elements(request -> 'bells') as e(b);
    exception when data_exception then
        perform fleet.refuse('claim', request, shape);
    end;
    if request -> 'v' is distinct from '1' or owner_id is null
        or my_agent is null or coalesce(lease_ms, 0) not between 1000
                                                         and 3600000
        or request -> 'bells' is null or bells > most
        or array_position(bell_n, null) > 0
        or array_position(bell_job, null) > 0 then
        perform fleet.refuse('claim', request, shape);
    end if;

    -- A claim lost in a crash of the server does no harm, so it does not wait
    -- for the disk: its lease is gone with it, settle wants the owner besides
    -- the fence (which the next claim will hand out again), and whatever is
    -- committed durably later, as settle does, makes this durable before it.
    -- An assignment, like those below: it takes no statement's start.
    commit_mode := set_config('synchronous_commit', 'off', true);

    mine := fleet.lease(owner_id, my_agent, lease_ms, bell_n, bell_job,
                        bell_task, bell_intake);
    if mine.count < bells and fleet.adopt(array(
            select job from unnest(bell_job) as u(job)
            except select job_id from fleet.runs
                   where job_id = any(bell_job))) > 0 then
        mine := fleet.lease(owner_id, my_agent, lease_ms, bell_n, bell_job,
                            bell_task, bell_intake);
    end if;
    if mine.count < bells then
        select array_agg(v.head), coalesce(bool_or(v.stuck), false)
        into others, stuck
        from fleet.verdicts(bell_n, bell_job, bell_task, bell_intake, my_agent,
                            coalesce(mine.nonces, '{}')) v;
    end if;
    if stuck then
        due_ms := 0;
    elsif mine.count > 0 then
        due_ms := least(60000, lease_ms, fleet.ms_until(mine.deadline_at));
    else
        due_ms := fleet.wake(60000);
    end if;

    return query
    select '{"wake_ms":' || coalesce(due_ms::text, 'null') || '}', null::text
    union all
    select h, null from unnest(others) as u(h);
    if mine.bytes <= page_bytes then
        return query select u.h, u.b
            from unnest(mine.heads, mine.bodies) as u(h, b);
    else
        return query select u.h,
            case when octet_length(u.b) <= page_bytes
                  and sum(octet_length(u.b)) over (
                          order by octet_length(u.b), ord) <= most_bytes
                 then u.b end
            from unnest(mine.heads, mine.bodies) with ordinality
                as u(h, b, ord);
    end if;
    if mine.again then
        return query select a.head, a.body from fleet.stored(mine.nonces,
            mine.ids) a;
    end if;
end $$;

-- Leases what can be leased now.  One statement, that carries narrow rows; each
-- node of its plan is paid for in every call.
create or replace function fleet.lease(
    owner_id uuid, my_agent text, lease_ms integer, bell_n uuid[],
    bell_job uuid[], bell_task uuid[], bell_intake boolean[],
    out count bigint, out heads text[], out bodies text[], out bytes bigint,
    out nonces uuid[], out ids uuid[], out deadline_at timestamptz,
    out again boolean)
language plpgsql as $$
#variable_conflict use_column
declare
    now constant timestamptz := clock_timestamp();
    most constant integer := 100;
begin
    with free as materialized (
        -- 'is not distinct from' is = without the index on job_id, by which a
        -- plan made on an empty table would look for the task.
        select t.id, b.n, b.ord, t.state = 'leased' as lost,
               t.state = 'leased' and t.nonce = b.n as again,
               r.trace, r.deadline_at, r.watched_until, r.snapshot,
               j.clerk_user_id, j.job_type, j.request_payload
        from (select *
              from (select * from unnest(bell_n, bell_job, bell_task,
                                         bell_intake) with ordinality
                    limit most) as u(n, job, task, intake, ord)
              limit most) b
        join fleet.runs r on r.job_id = b.job
        join public.jobs j on j.id = b.job
        join fleet.tasks t on t.id = coalesce(b.task, r.root_task)
        where not b.intake and r.state = 'open' and r.deadline_at > now
          and t.job_id is not distinct from b.job and t.agent = my_agent
          and (t.state = 'ready'
               or t.state = 'retry_wait' and t.next_run_at <= now
               or t.state = 'leased'
                  and (t.nonce = b.n and t.lease_owner = owner_id
                       or t.lease_until <= now and t.losses < 9))
        for no key update of t skip locked
    ), pick as (
        select distinct on (id) * from free order by id, again desc, ord
    ), lease as (
        update fleet.tasks t
        set state = 'leased', nonce = p.n, lease_owner = owner_id,
            lease_until = now + lease_ms * interval '1 ms',
            claimed_at = now, since = now,
            fence = t.fence + (not p.again)::int,
            losses = t.losses + (p.lost and not p.again)::int,
            next_run_at = null, progress = null
        from pick p
        where t.id = p.id
        returning t.id, t.job_id, t.parent, t.nonce, t.generation, t.fence,
            t.parent is null and t.fence = 1 and not p.again as starts,
            not p.again as new, p.lost, p.snapshot, p.deadline_at,
            '{"n":"' || t.nonce || '","verdict":"run","job":"' || t.job_id
                || '","task":"' || t.id || '","node":"' || t.node
                || '","fence":' || t.fence || ',"attempt":'
                || 1 + t.failures + t.crashes + t.losses || ',"alone":'
                || case when t.losses >= 2 then 'true' else 'false' end
                || ',"trace":' || coalesce('"' || p.trace || '"', 'null')
                || ',"deadline_ms":' || fleet.ms_until(p.deadline_at)
                || ',"lease_ms":' || lease_ms || ',"watched":'
                || case when p.watched_until > now then 'true'
                        else 'false' end as head,
            fleet.input_head(t, p.clerk_user_id, p.job_type,
                             p.request_payload) as before,
            fleet.input_tail(t) as after
    ), event as (
        insert into fleet.events
            (at, job_id, task_id, generation, kind, fence, note)
        select now, job_id, id, generation, 'claimed', fence, owner_id::text
        from lease where new
        union all
        select now, job_id, id, generation, 'lost', fence - 1, null
        from lease where new and lost
    ), started as (
        update public.jobs j
        set status = 'running', started_at = now
        from lease l
        where j.id = l.job_id and l.starts
    ), run as (
        select id, nonce, head, fence, deadline_at,
               before || case when snapshot then coalesce(
                   (select i.snapshot from fleet.inputs i
                    where i.job_id = l.job_id),
                   case when parent is null
                        then fleet.keep_snapshot(l.job_id) end, 'null')
                   else 'null' end || after as input
        from lease l
    )
    select count(*),
           array_agg(head || ',"input_bytes":' || octet_length(input)
               || ',"checkpoints":' || case when fence = 1 then 0 else (
                      select count(*) from fleet.checkpoints c
                      where c.task_id = run.id) end || '}'),
           array_agg(input), sum(octet_length(input)),
           array_agg(nonce), array_agg(id), min(deadline_at),
           bool_or(fence > 1)
    into count, heads, bodies, bytes, nonces, ids, deadline_at, again
    from run;
end $$;

-- Takes and stores the snapshot of a job whose root task is claimed first.
create or replace function fleet.keep_snapshot(job uuid)
returns text language plpgsql as $$
declare
    taken text := fleet.snapshot(job);
begin
    insert into fleet.inputs (job_id, snapshot) values (job, taken);
    return taken;
end $$;

-- The answers stored for tasks, as far as 256 KB go.
create or replace function fleet.stored(nonces uuid[], ids uuid[])
returns table (head text, body text) language plpgsql as $$
#variable_conflict use_column
declare
    most constant integer := 100;
    most_bytes constant integer := 262144;
    page_bytes constant integer := 49152;
begin
    return query
    select '{"n":"' || n || '","ordinal":' || ordinal || ',"sha256":"'
           || sha256 || '"}', answer
    from (select u.n, c.*, sum(octet_length(c.answer) + 200) over (
                     order by c.task_id, c.ordinal, c.sha256) as upto
          from (select * from unnest(nonces, ids) limit most) as u(n, id)
          join fleet.checkpoints c on c.task_id = u.id) s
    where upto <= most_bytes and octet_length(answer) <= page_bytes
    order by task_id, ordinal, sha256;
end $$;

-- What claim answers for the bells it took nothing for.  'stuck': reap has work.
create or replace function fleet.verdicts(
    bell_n uuid[], bell_job uuid[], bell_task uuid[], bell_intake boolean[],
    my_agent text, taken uuid[])
returns table (head text, stuck boolean)
language plpgsql as $$
#variable_conflict use_column
declare
    now constant timestamptz := clock_timestamp();
    most constant integer := 100;
    most_rings constant integer := 2000;
begin
    return query
    with seen as materialized (
        select b.n, b.ord, r.trace, t, v.verdict,
               t.state = 'leased' and t.lease_until > now as held,
               v.verdict = 'busy' and (
                   r.state <> 'open' or r.deadline_at <= now
                   or j.id is null
                   or t.state = 'leased' and t.losses >= 9) as stuck
        from (select * from unnest(bell_n, bell_job, bell_task, bell_intake)
                  with ordinality as u(n, job, task, intake, ord)
              limit most) b
        left join fleet.runs r on r.job_id = b.job
        left join fleet.tasks t on t.id = coalesce(b.task, r.root_task)
                               and t.job_id is not distinct from b.job
        left join public.jobs j on j.id = b.job
        cross join lateral (select case
            when r.job_id is null and j.status = 'completed' then 'succeeded'
            when r.job_id is null and j.status = 'failed' then 'dead'
            when t.id is null then 'unknown'
            when fleet.is_terminal(t.state) then t.state
            when b.intake then 'adopted'
            when t.state = 'blocked' then 'blocked'
            when t.agent <> my_agent then 'wrong_agent'
            when t.state = 'retry_wait' and t.next_run_at > now
                and r.state = 'open' and r.deadline_at > now then 'later'
            else 'busy' end) as v(verdict)
        where b.n <> all(taken)
    ), ring as (
        select n, fleet.bell(t, trace) as bell from seen
        where verdict = 'wrong_agent'
           or verdict = 'adopted' and (seen.t).state = 'ready'
        union all
        select s.n, fleet.bell(d, s.trace)
        from seen s
        cross join lateral unnest((s.t).feeds) as f(id)
        join fleet.tasks d on d.id = f.id and d.state = 'ready'
        where fleet.is_terminal(s.verdict)
        limit most_rings
    )
    select '{"n":"' || s.n || '","verdict":"' || s.verdict || '"'
           || case
              when s.verdict = 'later' then
                  ',"until_ms":' || fleet.ms_until((s.t).next_run_at)
              when s.verdict = 'busy' then
                  ',"until_ms":' || case
                      when s.stuck then 1000
                      when s.held then fleet.ms_until((s.t).lease_until)
                      else 100 end
              when s.verdict in ('blocked', 'unknown') then ''
              else ',"ring":[' || coalesce((
                  select string_agg(r.bell, ',') from ring r where r.n = s.n),
                  '') || ']'
              end || '}',
           coalesce(s.stuck and not coalesce(s.held, false), false)
    from seen s
    order by s.ord;
end $$;

drop function if exists fleet.take(uuid, text, integer, uuid[], uuid[], uuid[],
                                  boolean[]);
