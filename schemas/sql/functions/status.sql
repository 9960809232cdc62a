-- How jobs and their tasks are doing: see README.md.
create or replace function fleet.status(request jsonb)
returns table (head text, body text)
language plpgsql security definer
set search_path = fleet, public, pg_temp
set lock_timeout = '5s'
set timezone = 'UTC'
as $$
#variable_conflict use_column
declare
    shape constant jsonb := '{"job?": "uuid", "user?": "text 1 255",
        "limit?": "int 1 100", "before?": "time", "watch?": "bool"}';
    now constant timestamptz := clock_timestamp();
    one uuid;
begin
    perform fleet.require('status', request, shape);
    one := request ->> 'job';
    if (request -> 'watch')::boolean then
        update fleet.runs set watched_until = now + interval '10 s'
        where job_id = one and ended_at is null
          and coalesce(watched_until < now + interval '8 s', true);
    end if;
    return query select '{}'::text, null::text;
    return query
    with job as (
        select * from public.jobs
        where id = one
        union all
        select * from (
            select * from public.jobs
            where one is null
              and clerk_user_id = coalesce(request ->> 'user', clerk_user_id)
              and created_at < coalesce((request ->> 'before')::timestamptz,
                                        'infinity')::timestamp
            order by created_at desc
            limit coalesce((request -> 'limit')::integer, 20)) j
    )
    select jsonb_build_object(
        'job', j.id, 'user', j.clerk_user_id, 'type', j.job_type,
        'state', coalesce(r.state, j.status),
        'status', case when o.over then 'failed' else j.status end,
        'error', case when o.over then 'not finished in time'
                      else j.error_message end,
        'submitted', fleet.time_text(j.created_at),
        'started', fleet.time_text(j.started_at),
        'finished', fleet.time_text(j.completed_at),
        'deadline', fleet.time_text(r.deadline_at::timestamp),
        'generation', r.generation,
        'tasks', fleet.task_list(j.id))::text, null::text
    from job j
    left join fleet.runs r on r.job_id = j.id
    cross join lateral (
        -- Nobody may be left to move a job past its deadline.
        select coalesce(r.state = 'open' and r.deadline_at
                        < now - interval '1 min', false) as over) o
    order by j.created_at desc;
end $$;

create or replace function fleet.time_text(at timestamp)
returns text language sql immutable as $$
    select to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- The tasks of a job in the order they were first claimed; 200 at most, those in
-- trouble or going on before those that succeeded.
create or replace function fleet.task_list(job uuid)
returns jsonb language plpgsql stable as $$
begin
    return (
        select coalesce(jsonb_agg(jsonb_build_object(
            'task', t.id, 'node', t.node, 'agent', t.agent, 'state', t.state,
            'attempt', t.failures + t.crashes + t.losses
                + (t.state in ('leased', 'succeeded'))::int,
            'progress', t.progress, 'error', t.error,
            'ms', round(extract(epoch from
                case when t.state = 'leased' then clock_timestamp()
                     else t.since end - t.claimed_at) * 1000))
            order by t.claimed_at, t.node), '[]')
        from (select * from fleet.tasks where job_id = job
              order by state = 'succeeded', claimed_at, node
              limit 200) t);
end $$;
