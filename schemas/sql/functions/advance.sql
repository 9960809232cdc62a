-- What follows when tasks have ended: for settle, reap and cancel.

-- 'moved': tasks as they are now, those that ended among them; 'added': the job
-- of each task that was planned.  The caller holds the locks of their runs, and
-- nobody changes a blocked task without that lock.
--
-- Counters move only here, and only by transitions the caller or this function
-- has just made; each statement sees the one before.
create or replace function fleet.advance(moved fleet.tasks[], added uuid[])
returns void language plpgsql as $$
#variable_conflict use_column
declare
    now constant timestamptz := clock_timestamp();
    most constant integer := 1000000;
    skipped fleet.tasks[] := '{}';
    ended uuid[];
begin
    -- Whatever needs a required task that failed will never run.
    if exists (select from unnest(moved) m
               where m.required and m.state in ('dead', 'quarantined')) then
        with recursive below as (
            select f.id
            from (select * from unnest(moved) limit most) m
            cross join lateral unnest(m.feeds) as f(id)
            where m.required and m.state in ('dead', 'quarantined')
            union
            select f.id
            from below b
            join fleet.tasks t on t.id = b.id
            cross join lateral unnest(t.feeds) as f(id)
        ), skip as (
            update fleet.tasks t
            set state = 'skipped', since = now
            from below b
            where t.id = b.id and t.state = 'blocked'
            returning t
        ), event as (
            insert into fleet.events (job_id, task_id, generation, kind, fence)
            select (s.t).job_id, (s.t).id, r.generation, 'skipped', (s.t).fence
            from skip s
            join fleet.runs r on r.job_id = (s.t).job_id
        )
        select coalesce(array_agg(t), '{}') into skipped from skip;
    end if;

    -- An optional task that failed counts as met.
    if exists (select from unnest(moved) m where m.feeds <> '{}') then
        with met as (
            select f.id, count(*) as n
            from (select * from unnest(moved) limit most) m
            cross join lateral unnest(m.feeds) as f(id)
            where m.state = 'succeeded'
               or not m.required and fleet.is_terminal(m.state)
            group by f.id
            limit most
        ), freed as (
            update fleet.tasks t
            set unmet = t.unmet - m.n,
                state = case when t.unmet > m.n then 'blocked'
                             else 'ready' end,
                since = case when t.unmet > m.n then t.since else now end,
                rung_at = now, rings = 0
            from met m
            where t.id = m.id and t.state = 'blocked'
            returning t.job_id, t.id, t.state, t.fence
        )
        insert into fleet.events (job_id, task_id, generation, kind, fence)
        select f.job_id, f.id, r.generation, 'ready', f.fence
        from freed f
        join fleet.runs r on r.job_id = f.job_id
        where f.state = 'ready';
    end if;

    with delta as (
        select job_id, sum(closed)::int as closed, sum(bad)::int as bad
        from (
            select m.job_id, 1 as closed,
                   (m.required and m.state <> 'succeeded')::int as bad
            from unnest(moved) m where fleet.is_terminal(m.state)
            union all
            select s.job_id, 1, s.required::int from unnest(skipped) s
            union all
            select a, -1, 0 from unnest(added) a) change
        group by job_id
        limit most
    ), counted as (
        update fleet.runs r
        set open = r.open - d.closed,
            bad = r.bad + d.bad,
            state = case when r.open > d.closed or r.state <> 'open'
                         then r.state
                         when r.bad + d.bad = 0 then 'completed'
                         else 'failed' end,
            ended_at = case when r.open = d.closed then now end
        from delta d
        where r.job_id = d.job_id
        returning r.job_id, r.generation, r.state, r.ended_at
    ), event as (
        insert into fleet.events (job_id, generation, kind)
        select job_id, generation, 'job_' || state
        from counted
        where ended_at is not null and state <> 'cancelled'
    )
    select array_agg(job_id) into ended
    from counted
    where ended_at is not null and state <> 'cancelled';

    if ended is not null then
        perform fleet.publish(ended);
    end if;
end $$;

-- Writes how jobs ended to upstream's table: one update a job, with all results.
create or replace function fleet.publish(ids uuid[])
returns void language plpgsql as $$
#variable_conflict use_column
begin
    update public.jobs j
    set status = case when r.state = 'completed' then 'completed'
                      else 'failed' end,
        completed_at = clock_timestamp(),
        error_message = case r.state when 'cancelled' then 'cancelled by user'
                                     when 'failed' then t.error end,
        report_payload = coalesce(p.report, j.report_payload),
        charts_payload = coalesce(p.charts, j.charts_payload),
        retirement_payload = coalesce(p.retirement, j.retirement_payload),
        summary_payload = coalesce(p.summary, '{}')
                          || jsonb_build_object('agents', t.agents)
    from fleet.runs r
    cross join lateral fleet.agents(r.job_id) t
    left join lateral (
        select (array_agg(s.output -> 'report_payload') filter (
                    where s.output ? 'report_payload'))[1] as report,
               (array_agg(s.output -> 'charts_payload') filter (
                    where s.output ? 'charts_payload'))[1] as charts,
               (array_agg(s.output -> 'retirement_payload') filter (
                    where s.output ? 'retirement_payload'))[1] as retirement,
               (array_agg(s.output -> 'summary_payload') filter (
                    where s.output ? 'summary_payload'))[1] as summary
        from (select s.output
              from fleet.tasks t
              join fleet.results s on s.task_id = t.id
              where t.job_id = r.job_id and s.payload_bytes > 0
              order by t.since desc) s) p on true
    where r.job_id = any(ids) and j.id = r.job_id;
end $$;

-- How each agent of a job fared, those in trouble first, within 8 KB; and, for
-- people, what the first dead branch died of.
create or replace function fleet.agents(job uuid)
returns table (agents jsonb, error text) language plpgsql stable rows 1 as $$
#variable_conflict use_column
begin
    return query
    select coalesce(jsonb_object_agg(node, agent)
                    filter (where upto <= 8000), '{}'),
           (array_agg(death order by since, node)
                filter (where death is not null))[1]
           || case when count(death) > 1
                   then format(' (and %s more)', count(death) - 1) else '' end
    from (
        select node, since, agent, death,
               sum(octet_length(node) + octet_length(agent::text) + 6) over (
                   order by agent ->> 'state' = 'succeeded', since, node)
                   as upto
        from (
            select t.node, t.since,
                   jsonb_build_object(
                       'agent', t.agent, 'state', t.state,
                       'attempts', t.failures + t.crashes + t.losses
                           + (t.state = 'succeeded')::int,
                       'ms', round(extract(epoch from
                                           t.since - t.claimed_at) * 1000),
                       'error', left(t.error ->> 'text', 200)) as agent,
                   case when t.required and t.state in ('dead', 'quarantined')
                        then format('%s (%s) died: %s: %s', t.agent, t.node,
                                    coalesce(t.error ->> 'class', 'unknown'),
                                    left(t.error ->> 'text', 500)) end as death
            from fleet.tasks t where t.job_id = job) x) y;
end $$;
