-- Creates jobs, each with its root task, ready.  See README.md.
create or replace function fleet.submit(request jsonb)
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
    shape constant jsonb := '{"jobs": [1, 100, {
        "job": "uuid", "user": "text 1 255",
        "type": "one portfolio_analysis|rebalance_recommendation|'
        'retirement_projection|risk_assessment|tax_optimization|'
        'instrument_research|bench",
        "request": "object 65536", "trace?": "trace",
        "deadline_ms?": "int 1000 604800000", "agent?": "name",
        "node?": "name", "params?": "object 65536", "snapshot?": "bool"}]}';
    most constant integer := 100;
    created uuid[];
    replies text[];
    deadline_ms bigint;
begin
    perform fleet.require('submit', request, shape);
    with given as materialized (
        select distinct on (id) *
        from (select (j ->> 'job')::uuid as id, j ->> 'user' as user_id,
                     j ->> 'type' as type, j -> 'request' as request, j as item
              from (select * from jsonb_array_elements(request -> 'jobs')
                    limit most) as e(j)
              limit most) g
        order by id
    ), job as (
        insert into public.jobs (id, clerk_user_id, job_type, request_payload)
        select g.id, g.user_id, g.type, g.request from given g
        where exists (select from public.users u
                      where u.clerk_user_id = g.user_id)
        order by g.id
        on conflict do nothing
        returning id
    ), run as (
        insert into fleet.runs (job_id, root_task, open, snapshot, trace,
                                deadline_at, deadline_ms)
        select g.id, uuid_generate_v5(g.id, coalesce(item ->> 'node', 'plan')),
               1, coalesce((item -> 'snapshot')::boolean, true),
               item ->> 'trace',
               clock_timestamp() + d.ms * interval '1 ms', d.ms
        from job
        join given g on g.id = job.id
        cross join lateral (select coalesce((item -> 'deadline_ms')::bigint,
                                            3600000)) as d(ms)
    ), task as (
        insert into fleet.tasks
            (id, job_id, node, agent, params, state, rung_at)
        select uuid_generate_v5(g.id, coalesce(item ->> 'node', 'plan')), g.id,
               coalesce(item ->> 'node', 'plan'),
               coalesce(item ->> 'agent', 'planner'),
               coalesce(item -> 'params', '{}'), 'ready', clock_timestamp()
        from job
        join given g on g.id = job.id
    )
    select array_agg(id) into created from job;

    select array_agg('{"job":"' || g.id || '","task":'
               || coalesce('"' || r.root_task || '"', 'null')
               || ',"verdict":"' || v.verdict || '","ring":['
               || case when v.verdict in ('created', 'existing')
                        and t.state = 'ready'
                       then fleet.bell(t, r.trace) else '' end || ']}'),
           min(r.deadline_ms)
    into replies, deadline_ms
    from (select (j ->> 'job')::uuid as id, j
          from (select * from jsonb_array_elements(request -> 'jobs')
                limit most) as e(j)
          limit most) g
    left join public.jobs have on have.id = g.id
    left join fleet.runs r on r.job_id = g.id
    left join fleet.tasks t on t.id = r.root_task
    cross join lateral (select case
        when have.id is null then 'no_user'
        when have.clerk_user_id = j ->> 'user' and have.job_type = j ->> 'type'
            and have.request_payload = j -> 'request'
            and t.agent = coalesce(j ->> 'agent', 'planner')
        then case when g.id = any(created) then 'created' else 'existing' end
        else 'conflict' end) as v(verdict);

    return query select jsonb_build_object(
        'wake_ms', fleet.wake(least(30000, deadline_ms)))::text, null::text;
    return query select u.h, null::text from unnest(replies) as u(h);
end $$;
