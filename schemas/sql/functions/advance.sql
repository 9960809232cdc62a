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
    fails boolean;
    feeds boolean;
    skipped fleet.move[] := '{}';
    ended uuid[];
begin
    select bool_or(m.required and m.state in ('dead', 'quarantined')),
           bool_or(m.feeds <> '{}')
    into fails, feeds
    from unnest(moved) m;

    -- Whatever needs a required task that failed will never run.
    if fails then
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
    if feeds then
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
-- portfolio, how each agent fared.  What few jobs have comes from functions of
-- its own: each node of a plan is paid for in every call, used or not.
create or replace function fleet.publish(ids uuid[])
returns void language plpgsql as $$
#variable_conflict use_column
declare
    most constant integer := 1000000;
begin
    update public.jobs j
    set status = case e.state when 'completed' then e.state
                              else 'failed' end,
        completed_at = clock_timestamp(),
        error_message = e.error,
        report_payload = coalesce(e.of -> 'report_payload', j.report_payload),
        charts_payload = coalesce(e.of -> 'charts_payload', j.charts_payload),
        retirement_payload = coalesce(e.of -> 'retirement_payload',
                                      j.retirement_payload),
        summary_payload = case when e.of ? 'summary_payload'
            then e.of -> 'summary_payload' || coalesce(e.agents, '{}')
            else coalesce(e.agents, j.summary_payload) end
    from (select r.job_id, r.state,
                 case r.state when 'cancelled' then 'cancelled by user'
                              when 'failed' then fleet.epitaph(r.job_id)
                              end as error,
                 case when r.payload_bytes > 0
                      then fleet.payloads(r.job_id) end as of,
                 case when r.snapshot then fleet.agents(r.job_id) end as agents
          from (select * from unnest(ids) limit most) as u(id)
          join fleet.runs r on r.job_id = u.id
          offset 0) e  -- Else each use of 'of' would ask again.
    where j.id = e.job_id;
end $$;

-- What the tasks of a job found for its row of jobs.
create or replace function fleet.payloads(job uuid)
returns jsonb language plpgsql stable as $$
begin
    return (
        select jsonb_object_agg(e.key, e.value order by t.since)
        from fleet.tasks t
        join fleet.results s on s.task_id = t.id
        cross join lateral jsonb_each(s.output) as e
        where t.job_id = job and e.key like '%\_payload');
end $$;

-- What the first dead branch of a job died of.
create or replace function fleet.epitaph(job uuid)
returns text language plpgsql stable as $$
begin
    return (
        select (array_agg(format('%s (%s) died: %s: %s', agent, node,
                                 error ->> 'class',
                                 left(error ->> 'text', 500))
                          order by since, node))[1]
               || case when count(*) > 1
                       then format(' (and %s more)', count(*) - 1)
                       else '' end
        from fleet.tasks
        where job_id = job and required and state in ('dead', 'quarantined'));
end $$;

-- {"agents": {node: how it fared}} of a job, those in trouble first, as far as
-- 8 KB go.
create or replace function fleet.agents(job uuid)
returns jsonb language plpgsql stable as $$
begin
    return (
        select jsonb_build_object('agents', jsonb_object_agg(node, agent))
        from (select t.node, t.agent,
                     sum(octet_length(t.node || t.agent::text) + 6) over (
                         order by t.state = 'succeeded', t.since, t.node)
                         as upto
              from (select node, state, since, jsonb_build_object(
                        'agent', agent, 'state', state,
                        'attempts', failures + crashes + losses
                            + (state = 'succeeded')::int,
                        'ms', round(date_part('epoch', since - claimed_at)
                                    * 1000),
                        'error', left(error ->> 'text', 200)) as agent
                    from fleet.tasks where job_id = job) t) s
        where upto <= 8000);
end $$;

drop function if exists fleet.fared(uuid);
