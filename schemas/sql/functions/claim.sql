-- Doorbells in, a verdict each: see README.md.
--
-- Locks: tasks, and only those that are free now (skip locked), so a claim
-- waits for nobody who might wait for it.  What has to end (a run past its
-- deadline or cancelled, a tenth lost lease) needs the run's lock: that is left
-- to reap, and wake_ms 0 asks for it.
create or replace function fleet.claim(request jsonb)
returns table (head jsonb, body text)
language plpgsql security definer
set search_path = fleet, public, pg_temp
set lock_timeout = '5s'
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set timezone = 'UTC'
as $$
#variable_conflict use_column
declare
    shape constant jsonb := '{"owner": "uuid", "agent": "name",
        "lease_ms": "int 1000 3600000", "bells": [0, 100, {"n": "uuid",
        "job": "uuid", "task?": "uuid", "intake?": "bool"}]}';
    now constant timestamptz := clock_timestamp();
    owner_id uuid;
    my_agent text;
    lease interval;
    bell_n uuid[];
    bell_job uuid[];
    bell_task uuid[];
    bell_intake boolean[];
    bells integer;
    most constant integer := 100;
    taken fleet.tasks[];
    wants_snapshot boolean;
    replies jsonb[];
    stuck boolean := false;
begin
    begin
        owner_id := request ->> 'owner';
        my_agent := request ->> 'agent';
        lease := (request ->> 'lease_ms')::integer * interval '1 ms';
        select array_agg((b ->> 'n')::uuid), array_agg((b ->> 'job')::uuid),
               array_agg((b ->> 'task')::uuid),
               array_agg(coalesce((b -> 'intake')::boolean, false)), count(*)
        into bell_n, bell_job, bell_task, bell_intake, bells
        from jsonb_array_elements(request -> 'bells') as e(b);
    exception when data_exception then
        perform fleet.refuse('claim', request, shape);
    end;
    if request -> 'v' is distinct from '1' or owner_id is null
        or my_agent is null or lease is null or request -> 'bells' is null
        or lease not between interval '1 s' and interval '1 h' or bells > most
        or array_position(bell_n, null) > 0
        or array_position(bell_job, null) > 0 then
        perform fleet.refuse('claim', request, shape);
    end if;

    -- A claim lost in a crash of the server does no harm, so it does not wait
    -- for the disk: its lease is gone with it, settle wants the owner besides
    -- the fence (which the next claim will hand out again), and whatever is
    -- committed durably later, as settle does, makes this durable before it.
    perform set_config('synchronous_commit', 'off', true);

    for pass in 1 .. 2 loop
        with bell as materialized (
            select b.n, b.ord, b.job, r.snapshot,
                   coalesce(b.task, r.root_task) as task
            from (select *
                  from (select * from unnest(bell_n, bell_job, bell_task,
                                             bell_intake) with ordinality
                        limit most) as u(n, job, task, intake, ord)
                  limit most) b
            join fleet.runs r on r.job_id = b.job
            where not b.intake and r.state = 'open' and r.deadline_at > now
        ), free as materialized (
            select t.id, b.n, b.ord, b.snapshot, t.state,
                   t.state = 'leased' and t.nonce = b.n as again
            from bell b
            join fleet.tasks t on t.id = b.task
            where t.job_id = b.job and t.agent = my_agent
              and (t.state = 'ready'
                   or t.state = 'retry_wait' and t.next_run_at <= now
                   or t.state = 'leased'
                      and (t.nonce = b.n and t.lease_owner = owner_id
                           or t.lease_until <= now and t.losses < 9))
              and exists (select from public.jobs j where j.id = t.job_id)
            for no key update of t skip locked
        ), pick as (
            select distinct on (id) * from free order by id, again desc, ord
        ), mine as (
            update fleet.tasks t
            set state = 'leased', nonce = p.n, lease_owner = owner_id,
                lease_until = now + lease, claimed_at = now, since = now,
                fence = t.fence + (not p.again)::int,
                losses = t.losses + (p.state = 'leased' and not p.again)::int,
                next_run_at = null, progress = null
            from pick p
            where t.id = p.id
            returning t, p.state, p.again,
                      p.snapshot and t.parent is null as snapshot
        ), event as (
            insert into fleet.events
                (at, job_id, task_id, generation, kind, fence, note)
            select now, (m.t).job_id, (m.t).id, r.generation, e.kind, e.fence,
                   e.note
            from mine m
            join fleet.runs r on r.job_id = (m.t).job_id
            cross join lateral (
                select 'lost' as kind, (m.t).fence - 1 as fence, null as note
                where m.state = 'leased'
                union all
                select 'claimed', (m.t).fence, owner_id::text) e
            where not m.again
        ), started as (
            update public.jobs j
            set status = 'running', started_at = now
            from mine m
            where j.id = (m.t).job_id and (m.t).parent is null
              and (m.t).fence = 1 and not m.again
        )
        select array_agg(t), bool_or(snapshot)
        into taken, wants_snapshot
        from mine;
        exit when pass = 2 or coalesce(cardinality(taken), 0) = bells;
        exit when fleet.adopt(array(
            select job from unnest(bell_job) as u(job)
            except select job_id from fleet.runs
                   where job_id = any(bell_job))) = 0;
    end loop;

    if wants_snapshot then
        insert into fleet.inputs (job_id, snapshot)
        select t.job_id, fleet.snapshot(t.job_id)
        from unnest(taken) t
        join fleet.runs r on r.job_id = t.job_id
        where t.parent is null and r.snapshot
          and not exists (select from fleet.inputs i
                          where i.job_id = t.job_id)
        on conflict do nothing;
    end if;

    if coalesce(cardinality(taken), 0) < bells then
        select array_agg(v.head), coalesce(bool_or(v.stuck), false)
        into replies, stuck
        from fleet.verdicts(bell_n, bell_job, bell_task, bell_intake, my_agent,
                            taken) v;
    end if;

    return query select jsonb_build_object('wake_ms', fleet.wake(case
        when stuck then 0
        when taken is not null then (request ->> 'lease_ms')::bigint
        else 60000 end)), null::text;
    return query select u.h, null::text from unnest(replies) as u(h);
    return query
    with run as materialized (
        select (u.t).*, r.trace, r.deadline_at, r.watched_until,
               fleet.input_text(u.t, j, i.snapshot) as input
        from (select t from unnest(taken) t limit most) u(t)
        join fleet.runs r on r.job_id = (u.t).job_id
        join public.jobs j on j.id = (u.t).job_id
        left join fleet.inputs i on i.job_id = (u.t).job_id
    ), answer as materialized (
        select r.id, c.*,
               sum(octet_length(c.answer) + 200) over (
                   order by c.task_id, c.ordinal, c.sha256) as upto
        from run r
        join fleet.checkpoints c on c.task_id = r.id
        where r.fence > 1
    ), line as (
        select id, -1 as ordinal, '' as sha256,
               jsonb_build_object(
                   'n', nonce, 'verdict', 'run', 'job', job_id, 'task', id,
                   'node', node, 'fence', fence,
                   'attempt', 1 + failures + crashes + losses,
                   'alone', losses >= 2, 'trace', trace,
                   'deadline_ms', fleet.ms_until(deadline_at),
                   'lease_ms', request -> 'lease_ms',
                   'watched', coalesce(watched_until > now, false),
                   'input_bytes', octet_length(input),
                   'checkpoints', (select count(*) from answer a
                                   where a.id = run.id)) as head,
               case when sum(octet_length(input)) over (order by id) <= 262144
                    then input end as body
        from run
        union all
        select id, ordinal, sha256,
               jsonb_build_object('n', nonce, 'ordinal', ordinal,
                                  'sha256', sha256), answer
        from answer
        join (select id, nonce from run) r using (id)
        where upto <= 262144
    )
    select l.head, l.body from line l order by id, ordinal, sha256;
end $$;

-- What claim answers for the bells it took nothing for.  'stuck': reap has work.
create or replace function fleet.verdicts(
    bell_n uuid[], bell_job uuid[], bell_task uuid[], bell_intake boolean[],
    my_agent text, taken fleet.tasks[])
returns table (head jsonb, stuck boolean)
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
                               and t.job_id = b.job
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
        where b.n <> all(array(select nonce from unnest(taken)))
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
    select jsonb_build_object('n', s.n, 'verdict', s.verdict)
           || case
              when s.verdict = 'later' then jsonb_build_object(
                  'until_ms', fleet.ms_until((s.t).next_run_at))
              when s.verdict = 'busy' then jsonb_build_object(
                  'until_ms', case when s.stuck then 1000
                      when s.held then fleet.ms_until((s.t).lease_until)
                      else 100 end)
              when s.verdict in ('blocked', 'unknown') then '{}'
              else jsonb_build_object('ring', coalesce(
                  (select jsonb_agg(r.bell) from ring r where r.n = s.n), '[]'))
              end,
           coalesce(s.stuck and not coalesce(s.held, false), false)
    from seen s
    order by s.ord;
end $$;
