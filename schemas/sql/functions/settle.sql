-- Outcomes in, their effects, a verdict each: see README.md.
--
-- Locks: the runs, in order; from then on nobody else moves their tasks but
-- claim and beat, which never wait.  Then rows of jobs, then instruments in
-- order.  So settles, cancels and reaps never wait for each other in a circle.
create or replace function fleet.settle(request jsonb)
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
    shape constant jsonb := '{"owner": "uuid", "outcomes": [0, 100, {
        "job": "uuid", "task": "uuid", "fence": "int 1 1e18",
        "outcome": "one succeeded|retry|deferred|dead|crashed|interrupted|'
        'cancelled", "after_ms?": "int 0 86400000",
        "error?": {"class": "text 1 100", "text": "any"}, "usage?": "any",
        "answers?": [0, 1000, {"ordinal": "int 0 100000",
            "sha256": "sha256", "answer": "text 0 1048576"}],
        "output?": "object 8000000"}]}';
    most constant integer := 100;
    owner_id uuid;
    outcomes fleet.outcome[];
    newest fleet.outcome[];  -- one a task, if outcomes has more
    job_ids uuid[];
    cancelled uuid[];
    late uuid[];
    has record;
    rejected jsonb := '{}';
    moved fleet.move[];
    added uuid[] := '{}';
    replies text[];
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
               count(distinct task) < count(*) as doubles,
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

    select array_agg(job_id) filter (where state = 'cancelled'),
           array_agg(job_id) filter (where deadline_at <= clock_timestamp())
    into cancelled, late
    from (select job_id, state, deadline_at from fleet.runs
          where job_id = any(job_ids)
          order by job_id for no key update) r;
    -- A supervisor that had been suspended may send what it had done under a
    -- lost lease together with what it did under the next one.
    if has.doubles then
        newest := array(select row(o.*)::fleet.outcome from (
            select distinct on (task) * from unnest(outcomes)
            order by task, fence desc) o);
    end if;
    if has.plan then
        rejected := rejected || fleet.bad_plans(coalesce(newest, outcomes));
    end if;
    if has.payload then
        rejected := rejected || fleet.large_payloads(
            coalesce(newest, outcomes));
    end if;

    moved := fleet.apply(owner_id, outcomes, coalesce(cancelled, '{}'),
                         coalesce(late, '{}'), rejected);
    if moved is not null then
        if has.answers then
            perform fleet.keep_answers(request, moved);
        end if;
        if has.plan then
            added := fleet.plan(coalesce(newest, outcomes), moved);
        end if;
        if has.payload then
            perform fleet.count_payloads(coalesce(newest, outcomes), moved);
        end if;
        perform fleet.advance(moved, added);
        if has.facts then
            perform fleet.learn(coalesce(newest, outcomes), moved);
        end if;
    end if;

    select array_agg(a.head), min(a.due_ms) into replies, due_ms
    from fleet.answers(owner_id, outcomes) a;
    return query
    select '{"wake_ms":' || coalesce(
               fleet.wake(coalesce(due_ms, 60000))::text, 'null') || '}',
           null::text
    union all
    select h, null from unnest(replies) as u(h);
end $$;

-- Moves the tasks that the outcomes' fences still own; answers them as they are
-- then.
create or replace function fleet.apply(
    owner_id uuid, outcomes fleet.outcome[], cancelled uuid[], late uuid[],
    rejected jsonb)
returns fleet.move[] language plpgsql as $$
#variable_conflict use_column
declare
    now constant timestamptz := clock_timestamp();
    most constant integer := 100;
    moved fleet.move[];
begin
    with given as materialized (
        select distinct on (o.task) o.*,
               case when o.job = any(cancelled) then 'cancelled'
                    when rejected <> '{}' and rejected ? o.task::text
                        then 'dead'
                    when o.outcome in ('succeeded', 'dead') then o.outcome
                    when o.job = any(late) then 'dead'
                    when o.outcome = 'cancelled' then 'interrupted'
                    else o.outcome end as kind,
               case when rejected <> '{}' and rejected ? o.task::text
                        then rejected -> o.task::text
                    when o.outcome = 'succeeded' then null
                    when o.outcome <> 'dead' and o.job = any(late)
                        then '{"class": "deadline",
                               "text": "not finished in time"}'
                    when o.error is not null then jsonb_build_object(
                        'class', left(o.error ->> 'class', 100),
                        'text', left(o.error ->> 'text', 2000))
                    end as reason
        from (select * from unnest(outcomes) limit most) o
        order by o.task, o.fence desc
    ), settled as (
        update fleet.tasks t
        set state = case g.kind
                when 'succeeded' then g.kind
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
            next_run_at = case g.kind
                when 'retry' then now + interval '1 s' * greatest(
                    g.after_ms / 1000.0,
                    least(300, 2 ^ t.failures) * (0.75 + random() / 2))
                when 'deferred' then now + interval '1 ms'
                    * coalesce(g.after_ms, 1000)
                when 'crashed' then now + interval '1 s' end,
            rung_at = now, rings = 0,
            error = case g.kind when 'succeeded' then null
                when 'interrupted' then t.error else g.reason end,
            usage = coalesce(g.usage, t.usage),
            progress = null
        from given g
        where t.id = g.task and t.job_id is not distinct from g.job
          and t.fence = g.fence and t.settled_fence < g.fence
          and t.lease_owner = owner_id and t.state in ('leased', 'ready')
        returning t.id, t.job_id, t.generation, t.fence, t.state, t.error,
                  t.feeds, t.required, g.kind, g.output
    ), result as (
        insert into fleet.results (task_id, job_id, fence, output)
        select id, job_id, fence, coalesce(output, '{}')
        from settled
        where state = 'succeeded'
    ), event as (
        insert into fleet.events
            (at, job_id, task_id, generation, kind, fence, note)
        select now, job_id, id, generation,
               case when fleet.is_terminal(state) then state else kind end,
               fence, error ->> 'class'
        from settled
    )
    select array_agg(row(id, job_id, feeds, required, state)::fleet.move)
    into moved from settled;
    return moved;
end $$;

-- What settle answers: from the tasks as they are now, so that a repeat gets the
-- same.  Bells beyond 2,000 of a call are left to reap.
create or replace function fleet.answers(
    owner_id uuid, outcomes fleet.outcome[])
returns table (head text, due_ms bigint) language plpgsql as $$
#variable_conflict use_column
declare
    most constant integer := 100;
    most_rings constant integer := 2000;
begin
    return query
    with seen as materialized (
        select o.ord, o.task, o.job, o.fence, t.state, t.feeds,
               case when t.fence = o.fence and t.settled_fence = o.fence
                         and t.lease_owner = owner_id then
                        case t.state when 'cancelled' then 'cancelled'
                                          else 'applied' end
                    when exists (select from fleet.runs r
                                 where r.job_id = o.job
                                   and r.state = 'cancelled') then 'cancelled'
                    else 'stale' end as verdict,
               case when t.state in ('ready', 'retry_wait')
                    then fleet.ms_until(coalesce(t.next_run_at, t.rung_at))
                    end as again_ms
        from (select * from unnest(outcomes) with ordinality
                  as u(job, task, fence, outcome, after_ms, error, usage,
                       output, ord)
              limit most) o
        left join fleet.tasks t
            on t.id = o.task and t.job_id is not distinct from o.job
    ), ring as (
        select s.ord, fleet.bell(d, r.trace) as bell
        from seen s
        cross join lateral unnest(s.feeds) as f(id)
        join fleet.tasks d on d.id = f.id and d.state = 'ready'
        join fleet.runs r on r.job_id = s.job
        where s.verdict = 'applied' and fleet.is_terminal(s.state)
          and s.feeds <> '{}'
        limit most_rings
    ), rings as materialized (
        select ord, string_agg(bell, ',') as bells from ring group by ord
    )
    select '{"task":"' || s.task || '","fence":' || s.fence
           || ',"verdict":"' || s.verdict || '","state":'
           || coalesce('"' || s.state || '"', 'null')
           || case when s.verdict = 'applied' and s.again_ms is not null
                   then ',"again_ms":' || s.again_ms else '' end
           || ',"ring":[' || coalesce(b.bells, '') || ']}',
           least(s.again_ms, case when b.bells is not null then 30000 end)
    from seen s
    left join rings b on b.ord = s.ord;
end $$;

-- Answers that cost nothing are stored with the result, for replays.
create or replace function fleet.keep_answers(
    request jsonb, moved fleet.move[])
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
