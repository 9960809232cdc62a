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
    shape constant jsonb := '{"jobs": [0, 100, {
        "job": "uuid", "user": "text 1 255",
        "type": "one portfolio_analysis|rebalance_recommendation|'
        'retirement_projection|risk_assessment|tax_optimization|'
        'instrument_research|bench",
        "request": "object 65536", "trace?": "trace",
        "deadline_ms?": "int 1000 604800000", "agent?": "agent",
        "node?": "name", "params?": "object 65536", "snapshot?": "bool"}]}';
    most constant integer := 100;
    given fleet.submission[];
    fine boolean;
    created uuid[];
    replies text[];
    soonest_ms bigint;
begin
    begin
        select array_agg(row((j ->> 'job')::uuid, j ->> 'user', j ->> 'type',
                             j -> 'request', j ->> 'trace',
                             coalesce((j -> 'deadline_ms')::bigint, 3600000),
                             coalesce(j ->> 'agent', 'planner'),
                             coalesce(j ->> 'node', 'plan'),
                             coalesce(j -> 'params', '{}'),
                             coalesce((j -> 'snapshot')::boolean, true)
                         )::fleet.submission)
        into given
        from jsonb_array_elements(request -> 'jobs') as e(j);
        select coalesce(bool_and(
                   job is not null and length(user_id) between 1 and 255
                   and type in ('portfolio_analysis', 'bench',
                       'rebalance_recommendation', 'retirement_projection',
                       'risk_assessment', 'tax_optimization',
                       'instrument_research')
                   and jsonb_typeof(asked) = 'object'
                   and octet_length(asked::text) <= 65536
                   and coalesce(trace ~ '^[0-9a-f-]+$'
                                and length(trace) <= 64, true)
                   and deadline_ms between 1000 and 604800000
                   and fleet.is_agent(agent) and fleet.is_name(node)
                   and jsonb_typeof(params) = 'object'
                   and octet_length(params::text) <= 65536),
                   request -> 'jobs' = '[]')
        into fine
        from unnest(given);
    exception when data_exception then
        perform fleet.refuse('submit', request, shape);
    end;
    if request -> 'v' is distinct from '1' or fine is not true
        or cardinality(given) > most then
        perform fleet.refuse('submit', request, shape);
    end if;

    with new as materialized (
        select distinct on (job) *
        from (select * from unnest(given) limit most) g
        where exists (select from public.users u
                      where u.clerk_user_id = g.user_id)
        order by job
    ), job as (
        insert into public.jobs (id, clerk_user_id, job_type, request_payload)
        select job, user_id, type, asked from new order by job
        on conflict do nothing
        returning id
    ), run as (
        insert into fleet.runs (job_id, root_task, open, snapshot, trace,
                                deadline_at, deadline_ms)
        select n.job, uuid_generate_v5(n.job, n.node), 1, n.snapshot, n.trace,
               clock_timestamp() + n.deadline_ms * interval '1 ms',
               n.deadline_ms
        from job j
        join new n on n.job = j.id
    ), task as (
        insert into fleet.tasks
            (id, job_id, node, agent, params, state, rung_at)
        select uuid_generate_v5(n.job, n.node), n.job, n.node, n.agent,
               n.params, 'ready', clock_timestamp()
        from job j
        join new n on n.job = j.id
    )
    select array_agg(id) into created from job;

    select array_agg('{"job":"' || g.job || '","task":'
               || coalesce('"' || r.root_task || '"', 'null')
               || ',"verdict":"' || v.verdict || '","ring":['
               || case when v.verdict in ('created', 'existing')
                        and t.state = 'ready'
                       then fleet.bell(t, r.trace) else '' end || ']}'),
           min(r.deadline_ms)
    into replies, soonest_ms
    from (select * from unnest(given) limit most) g
    left join public.jobs have on have.id = g.job
    left join fleet.runs r on r.job_id = g.job
    left join fleet.tasks t on t.id = r.root_task
    cross join lateral (select case
        when have.id is null then 'no_user'
        when have.clerk_user_id = g.user_id and have.job_type = g.type
            and have.request_payload = g.asked and t.agent = g.agent
        then case when g.job = any(created) then 'created' else 'existing' end
        else 'conflict' end) as v(verdict);
    return query
    select '{"wake_ms":' || coalesce(
               fleet.wake(least(30000, soonest_ms))::text, 'null') || '}',
           null::text
    union all
    select h, null from unnest(replies) as u(h);
end $$;
