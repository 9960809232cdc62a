-- Why a job is not finished, or why it failed: a row for each task that has not
-- succeeded.  See README.md.
create or replace function fleet.why(request jsonb)
returns table (head text, body text)
language plpgsql security definer
set search_path = fleet, public, pg_temp
set lock_timeout = '5s'
as $$
#variable_conflict use_column
declare
    shape constant jsonb := '{"job": "uuid"}';
    now constant timestamptz := clock_timestamp();
    run fleet.runs;
    known text;
begin
    perform fleet.require('why', request, shape);
    select status into known from public.jobs
    where id = (request ->> 'job')::uuid;
    select * into run from fleet.runs
    where job_id = (request ->> 'job')::uuid;
    return query select jsonb_build_object(
        'state', coalesce(run.state, known, 'unknown'),
        'deadline_ms', fleet.ms_until(run.deadline_at),
        'detail', case
            when run.job_id is not null and run.state = 'open'
                and run.deadline_at <= now
                then 'past its deadline: the next reap ends it'
            when run.job_id is not null then null
            when known = 'pending'
                then 'written by another program and not announced: its '
                     'message, or reap with adopt, starts it'
            when known is null then 'no such job'
            end)::text, null::text;
    return query
    select jsonb_build_object(
        'task', t.id, 'node', t.node, 'agent', t.agent, 'state', t.state,
        'waits_for', w.waits_for,
        'since_ms', greatest(0, round(extract(epoch from now - t.since)
                                      * 1000)),
        'owner', case when t.state = 'leased' then t.lease_owner end,
        'rung_ms', case when t.state in ('ready', 'retry_wait')
            then greatest(0, round(extract(epoch from now - t.rung_at)
                                   * 1000)) end,
        'failures', t.failures, 'crashes', t.crashes, 'losses', t.losses,
        'replays', (select count(*) from fleet.replays p
                    where p.task_id = t.id),
        'detail', w.detail)::text, null::text
    from fleet.tasks t
    cross join lateral (
        select format('%s of 5 failures, %s of 3 crashes, %s of 10 lost '
                      'leases', t.failures, t.crashes, t.losses) as charged,
               format('%s: %s', coalesce(t.error ->> 'class', 'unknown'),
                      coalesce(t.error ->> 'text', 'no reason given')) as error
    ) x
    cross join lateral (
        select 'needs' as waits_for, fleet.unmet_text(t) as detail
        where t.state = 'blocked'
        union all
        select 'worker', case
            when t.lease_until > now
                then format('worker %s has had it for %s s (%s), lease for '
                     'another %s s', t.lease_owner,
                     floor(extract(epoch from now - t.claimed_at)), x.charged,
                     ceil(extract(epoch from t.lease_until - now)))
            else format('the lease of worker %s ended %s s ago: the next '
                        'doorbell or reap gives it to another', t.lease_owner,
                        floor(extract(epoch from now - t.lease_until))) end
        where t.state = 'leased'
        union all
        select 'back-off', format('next try %s (%s), after %s',
            case when t.next_run_at > now
                 then format('in %s s, at %s UTC', ceil(extract(epoch from
                         t.next_run_at - now)),
                     to_char(t.next_run_at at time zone 'UTC', 'HH24:MI:SS'))
                 else 'is due' end, x.charged, x.error)
        where t.state = 'retry_wait'
        union all
        select 'claim', case
            when t.rung_at is null
                then 'its doorbell has not been rung: reap rings it'
            else format('no worker has claimed it; rung %s, '
                'the last time %s s ago%s',
                case t.rings when 0 then 'once'
                     else format('%s times', t.rings + 1) end,
                floor(extract(epoch from now - t.rung_at)),
                case when t.rung_at < now - interval '30 s'
                     then ': is a worker of ' || t.agent || ' running?'
                     else '' end) end
        where t.state = 'ready'
        union all
        select 'nothing', format('%s (%s)', x.error, x.charged)
        where t.state in ('dead', 'quarantined')
        union all
        select 'nothing', 'something it needs ended without success: '
                          || coalesce(fleet.unmet_text(t), 'not known what')
        where t.state = 'skipped'
        union all
        select 'nothing', 'the job was cancelled'
        where t.state = 'cancelled') w
    where t.job_id = run.job_id
    order by t.state in ('dead', 'quarantined') desc, t.since, t.node
    limit 200;
end $$;

-- The needs of a task that have not succeeded, each with its state; ten at most.
create or replace function fleet.unmet_text(task fleet.tasks)
returns text language plpgsql stable as $$
begin
    return (
        select string_agg(format('%s (%s) is %s', n.agent, n.node, n.state),
                          ', ' order by n.node)
        from (select * from fleet.tasks n
              where n.job_id = task.job_id and n.node = any(task.needs)
                and n.state <> 'succeeded'
              order by n.node limit 10) n);
end $$;
