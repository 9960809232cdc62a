-- What follows when tasks have ended: for settle, reap and cancel.

-- 'moved': tasks and their new states, those that ended among them; 'added': the job
-- of each task that was planned.  The caller holds the locks of their runs, and
-- nobody changes a blocked task without that lock.
--
-- Counters move only here, and only by transitions the caller or this function
-- has just made; each statement sees the one before.
create or replace function fleet.advance(moved fleet.move[], added uuid[])
returns void language plpgsql as $$
#variable_conflict use_column
declare
    now constant timestamptz := clock_timestamp();
    most constant integer := 1000000;
    skipped fleet.move[] := '{}';
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
            -- limit 1: looked up by id, whatever the planner expects.
            select f.id
            from below b
            cross join lateral (select t.feeds from fleet.tasks t
                                where t.id = b.id limit 1) t
            cross join lateral unnest(t.feeds) as f(id)
        ), skip as (
            update fleet.tasks t
            set state = 'skipped', since = now
            where t.id = any(array(select id from below))
              and t.state = 'blocked'
            returning t.*
        ), event as (
            insert into fleet.events (job_id, task_id, generation, kind, fence)
            select job_id, id, generation, 'skipped', fence from skip
        )
        select array_agg(row(id, job_id, feeds, required, state)::fleet.move)
        into skipped from skip;
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
            returning t.*
        )
        insert into fleet.events (job_id, task_id, generation, kind, fence)
        select job_id, id, generation, 'ready', fence
        from freed where state = 'ready';
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

-- Writes how jobs ended to upstream's table: one update a job, with all results,
-- for people what the first dead branch died of, and, if the job was about a
-- portfolio, how each agent fared.
create or replace function fleet.publish(ids uuid[])
returns void language plpgsql as $$
#variable_conflict use_column
begin
    update public.jobs j
    set status = case r.state when 'completed' then r.state
                              else 'failed' end,
        completed_at = clock_timestamp(),
        error_message = case r.state when 'cancelled' then 'cancelled by user'
                                     when 'failed' then d.deaths end,
        report_payload = coalesce(p.of -> 'report_payload', j.report_payload),
        charts_payload = coalesce(p.of -> 'charts_payload', j.charts_payload),
        retirement_payload = coalesce(p.of -> 'retirement_payload',
                                      j.retirement_payload),
        summary_payload = case when p.of ? 'summary_payload'
            then p.of -> 'summary_payload' || coalesce(a.agents, '{}')
            else coalesce(a.agents, j.summary_payload) end
    from fleet.runs r
    left join lateral (
        select jsonb_object_agg(e.key, e.value order by t.since) as of
        from fleet.tasks t
        join fleet.results s on s.task_id = t.id
        cross join lateral jsonb_each(s.output) as e
        where r.payload_bytes > 0 and t.job_id = r.job_id
          and e.key like '%\_payload') p on true
    left join lateral (
        select (array_agg(format('%s (%s) died: %s: %s', t.agent, t.node,
                                 t.error ->> 'class',
                                 left(t.error ->> 'text', 500))
                          order by t.since, t.node))[1]
               || case when count(*) > 1
                       then format(' (and %s more)', count(*) - 1)
                       else '' end as deaths
        from fleet.tasks t
        where r.state = 'failed' and t.job_id = r.job_id and t.required
          and t.state in ('dead', 'quarantined')) d on true
    left join lateral (
        select jsonb_build_object('agents', jsonb_object_agg(
            f.node, f.agent)) as agents
        from fleet.fared(r.job_id) f
        where r.snapshot) a on true
    where r.job_id = any(ids) and j.id = r.job_id;
end $$;

-- How the agents of a job fared, those in trouble first, as far as 8 KB go.
create or replace function fleet.fared(job uuid)
returns table (node text, agent jsonb) language plpgsql stable rows 1 as $$
#variable_conflict use_column
begin
    return query
    select node, agent
    from (select t.node, t.agent,
                 sum(octet_length(t.node || t.agent::text) + 6) over (
                     order by t.state = 'succeeded', t.since, t.node) as upto
          from (select node, state, since, jsonb_build_object(
                    'agent', agent, 'state', state,
                    'attempts', failures + crashes + losses
                        + (state = 'succeeded')::int,
                    'ms', round(date_part('epoch', since - claimed_at) * 1000),
                    'error', left(error ->> 'text', 200)) as agent
                from fleet.tasks where job_id = job) t) s
    where upto <= 8000;
end $$;
