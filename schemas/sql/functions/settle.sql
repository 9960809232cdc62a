-- Outcomes in, their effects, a verdict each: see README.md.
--
-- Locks: the runs, in order; from then on nobody else moves their tasks but
-- claim and beat, which never wait.  Then rows of jobs, then instruments in
-- order.  So settles, cancels and reaps never wait for each other in a circle.
create or replace function fleet.settle(request jsonb)
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
    shape constant jsonb := '{"owner": "uuid", "outcomes": [0, 100, {
        "job": "uuid", "task": "uuid", "fence": "int 1 1e18",
        "outcome": "one succeeded|retry|deferred|dead|crashed|interrupted|'
        'cancelled", "after_ms?": "int 0 86400000",
        "error?": {"class": "text 1 100", "text": "any"}, "usage?": "any",
        "answers?": [0, 1000, {"ordinal": "int 0 100000",
            "sha256": "sha256", "answer": "text 0 1048576"}],
        "output?": "object 8000000"}]}';
    most constant integer := 100;
    now timestamptz;
    owner_id uuid;
    outcomes fleet.outcome[];
    job_ids uuid[];
    has record;
    rejected jsonb := '{}';
    moved fleet.tasks[];
    added uuid[] := '{}';
    replies jsonb[];
    due_ms bigint;
begin
    begin
        owner_id := request ->> 'owner';
        select array_agg(row((o ->> 'job')::uuid, (o ->> 'task')::uuid,
                             (o ->> 'fence')::bigint, o ->> 'outcome',
                             (o ->> 'after_ms')::bigint, o -> 'error',
                             o -> 'usage', o -> 'output')::fleet.outcome),
               array_agg(distinct (o ->> 'job')::uuid)
        into outcomes, job_ids
        from jsonb_array_elements(request -> 'outcomes') as e(o);
        select coalesce(bool_and(
                   job is not null and task is not null and fence > 0
                   and outcome in ('succeeded', 'retry', 'deferred', 'dead',
                                   'crashed', 'interrupted', 'cancelled')
                   and coalesce(after_ms between 0 and 86400000, true)
                   and coalesce(jsonb_typeof(error), 'object') = 'object'
                   and coalesce(jsonb_typeof(output), 'object') = 'object'),
                   request -> 'outcomes' = '[]') as shape,
               bool_or(output ? 'plan') as plan,
               bool_or(output ?| '{report_payload,charts_payload,'
                       'retirement_payload,summary_payload}') as payload,
               bool_or(output ?| '{prices,instruments}') as facts,
               request @? '$.outcomes[*].answers[*]' as answers
        into has
        from unnest(outcomes);
    exception when data_exception then
        perform fleet.refuse('settle', request, shape);
    end;
    if request -> 'v' is distinct from '1' or owner_id is null
        or has.shape is not true or cardinality(outcomes) > most then
        perform fleet.refuse('settle', request, shape);
    end if;

    perform from fleet.runs where job_id = any(job_ids)
        order by job_id for no key update;
    now := clock_timestamp();
    if has.plan then
        rejected := rejected || fleet.bad_plans(outcomes);
    end if;
    if has.payload then
        rejected := rejected || fleet.large_payloads(outcomes);
    end if;

    with given as materialized (
        select distinct on (o.task) o.task, o.job, o.fence, o.usage, o.output,
               r.generation, k.kind, k.error,
               now + case k.kind
                   when 'retry' then greatest(o.after_ms, 1000)
                   when 'deferred' then coalesce(o.after_ms, 1000)
                   when 'crashed' then 1000 end * interval '1 ms' as due_at
        from (select * from unnest(outcomes) limit most) o
        join fleet.runs r on r.job_id = o.job
        cross join lateral (
            select 'cancelled' as kind, null::jsonb as error
            where r.state = 'cancelled'
            union all
            select 'dead', rejected -> o.task::text
            where rejected ? o.task::text
            union all
            select o.outcome, null where o.outcome = 'succeeded'
            union all
            select 'dead', '{"class": "deadline",
                             "text": "not finished in time"}'::jsonb
            where r.deadline_at <= now and o.outcome <> 'dead'
            union all
            select case o.outcome when 'cancelled' then 'interrupted'
                                  else o.outcome end,
                   jsonb_build_object(
                       'class', left(o.error ->> 'class', 100),
                       'text', left(o.error ->> 'text', 2000))
            limit 1) k
        order by o.task, o.fence desc
    ), settled as (
        update fleet.tasks t
        set state = case g.kind
                when 'retry' then
                    case when t.failures < 4 then 'retry_wait' else 'dead' end
                when 'crashed' then
                    case when t.crashes < 2 then 'retry_wait'
                         else 'quarantined' end
                when 'deferred' then 'retry_wait'
                when 'interrupted' then 'ready'
                else g.kind end,
            settled_fence = t.fence,
            since = now,
            failures = t.failures + (g.kind in ('retry', 'dead'))::int,
            crashes = t.crashes + (g.kind = 'crashed')::int,
            interruptions = t.interruptions + (g.kind = 'interrupted')::int,
            deferrals = t.deferrals + (g.kind = 'deferred')::int,
            next_run_at = case when g.kind = 'retry' then greatest(g.due_at,
                    now + least(300, 2 ^ t.failures) * (0.75 + random() / 2)
                        * interval '1 s')
                else g.due_at end,
            rung_at = now, rings = 0,
            error = case when g.kind = 'interrupted' then t.error
                         else g.error end,
            usage = coalesce(g.usage, t.usage),
            progress = null
        from given g
        where t.id = g.task and t.job_id = g.job
          and t.fence = g.fence and t.settled_fence < g.fence
          and t.lease_owner = owner_id and t.state in ('leased', 'ready')
        returning t, g.kind, g.generation, g.output
    ), result as (
        insert into fleet.results as old
            (task_id, job_id, fence, payload_bytes, output)
        select (s.t).id, (s.t).job_id, (s.t).fence,
               fleet.payload_bytes(s.output), coalesce(s.output, '{}')
        from settled s
        where s.kind = 'succeeded'
        on conflict (task_id) do update
        set fence = excluded.fence, output = excluded.output,
            payload_bytes = excluded.payload_bytes
    ), event as (
        insert into fleet.events
            (at, job_id, task_id, generation, kind, fence, note)
        select now, (s.t).job_id, (s.t).id, s.generation,
               case when fleet.is_terminal((s.t).state) then (s.t).state
                    else s.kind end,
               (s.t).fence, (s.t).error ->> 'class'
        from settled s
    )
    select array_agg(t) into moved from settled;

    if moved is not null then
        if has.answers then
            perform fleet.keep_answers(request, moved);
        end if;
        if has.plan then
            added := fleet.plan(outcomes, moved);
        end if;
        perform fleet.advance(moved, added);
        if has.facts then
            perform fleet.learn(outcomes, moved);
        end if;
    end if;

    select array_agg(a.head), min(a.due_ms) into replies, due_ms
    from fleet.answers(owner_id, outcomes) a;
    return query select jsonb_build_object(
        'wake_ms', fleet.wake(coalesce(due_ms, 60000))), null::text;
    return query select u.h, null::text from unnest(replies) as u(h);
end $$;

-- What settle answers: from the tasks as they are now, so that a repeat gets the
-- same.  Bells beyond 2,000 of a call are left to reap.
create or replace function fleet.answers(
    owner_id uuid, outcomes fleet.outcome[])
returns table (head jsonb, due_ms bigint) language plpgsql as $$
#variable_conflict use_column
declare
    most constant integer := 100;
    most_rings constant integer := 2000;
begin
    return query
    with seen as materialized (
        select o.ord, o.task, o.fence, t.state, t.feeds, r.trace,
               r.state as job_state, v.verdict,
               case when v.verdict = 'applied'
                     and t.state in ('ready', 'retry_wait')
                    then fleet.ms_until(coalesce(t.next_run_at, t.rung_at))
                    end as again_ms
        from (select * from unnest(outcomes) with ordinality
                  as u(job, task, fence, outcome, after_ms, error, usage,
                       output, ord)
              limit most) o
        left join fleet.tasks t on t.id = o.task and t.job_id = o.job
        left join fleet.runs r on r.job_id = t.job_id
        cross join lateral (select case
            when t.settled_fence = o.fence and t.lease_owner = owner_id
                and t.state <> 'cancelled' then 'applied'
            when r.state = 'cancelled' then 'cancelled'
            else 'stale' end) as v(verdict)
    ), ring as (
        select s.ord, fleet.bell(d, s.trace) as bell
        from seen s
        cross join lateral unnest(s.feeds) as f(id)
        join fleet.tasks d on d.id = f.id and d.state = 'ready'
        where s.verdict = 'applied' and fleet.is_terminal(s.state)
        limit most_rings
    ), rings as (
        select ord, jsonb_agg(bell) as bells from ring group by ord
    )
    select jsonb_build_object(
               'task', s.task, 'fence', s.fence, 'verdict', s.verdict,
               'state', s.state, 'job_state', s.job_state,
               'ring', coalesce(b.bells, '[]'))
           || case when s.again_ms is null then '{}'
                   else jsonb_build_object('again_ms', s.again_ms) end,
           least(s.again_ms, case when b.bells is not null then 30000 end)
    from seen s
    left join rings b on b.ord = s.ord
    order by s.ord;
end $$;

-- Answers that cost nothing are stored with the result, for replays.
create or replace function fleet.keep_answers(
    request jsonb, moved fleet.tasks[])
returns void language plpgsql as $$
begin
    insert into fleet.checkpoints (task_id, ordinal, sha256, answer)
    select distinct on (1, 2, 3)
           (o ->> 'task')::uuid, a.ordinal, a.sha256, a.answer
    from jsonb_array_elements(request -> 'outcomes') as e(o)
    cross join lateral jsonb_to_recordset(o -> 'answers') as a(
        ordinal integer, sha256 text, answer text)
    where jsonb_typeof(o -> 'answers') = 'array'
      and (o ->> 'task')::uuid = any(array(select id from unnest(moved)))
    order by 1, 2, 3
    on conflict do nothing;
end $$;
