-- Checks what must always be so, and mends what can be: see README.md.
create or replace function fleet.fsck(request jsonb)
returns table (head text, body text)
language plpgsql security definer
set search_path = fleet, public, pg_temp
set lock_timeout = '5s'
set timezone = 'UTC'
as $$
#variable_conflict use_column
declare
    shape constant jsonb := '{"repair?": "bool"}';
    found jsonb[];
    left_over jsonb[] := '{}';
begin
    perform fleet.require('fsck', request, shape);
    found := array(select to_jsonb(v) from fleet.violations() v);
    if found <> '{}' and (request -> 'repair')::boolean then
        perform fleet.mend(array(
            select distinct (f ->> 'job')::uuid from unnest(found) f
            where f ->> 'job' is not null));
        left_over := array(select to_jsonb(v) from fleet.violations() v);
    else
        left_over := found;
    end if;
    return query select jsonb_build_object('violations', cardinality(found),
        'repaired', (select count(*) from unnest(found) f
                     where f <> all(left_over)),
        'ring', case when (request -> 'repair')::boolean
                     then fleet.mended_bells(found) else '[]' end)::text,
        null::text;
    return query select (f || jsonb_build_object(
            'repaired', f <> all(left_over),
            'advice', case when f = any(left_over)
                           then fleet.advice(f ->> 'rule') end))::text,
        null::text
    from unnest(found) f;
end $$;

-- What to do about a violation of this rule.
create or replace function fleet.advice(rule text)
returns text language sql immutable as $$
    select case rule
        when 'twice' then 'history, which nothing mends: compare what the task '
            'answered with what is stored'
        when 'join' then 'a missing event is mended; one too many is history, '
            'which nothing mends: compare the job with its results'
        when 'orphan run' then 'mended once no worker has a task of it: again '
            'after its lease'
        when 'needs' then 'mended if the plan still has what is missing; '
            'otherwise cancel the job and submit it again'
        when 'result' then 'mended by running the task again, but not one that '
            'has planned others: cancel the job and submit it again'
        when 'root' then 'mended if the job is not over; otherwise prune '
            'forgets it'
        else 'mended by fsck --repair' end
$$;

-- The doorbells of what can run in the jobs that were mended: an idle fleet
-- does not look by itself.
create or replace function fleet.mended_bells(broken jsonb[])
returns jsonb language plpgsql stable as $$
#variable_conflict use_column
begin
    return (
        select coalesce(jsonb_agg(bell), '[]')
        from (select fleet.bell(t, r.trace)::jsonb as bell
              from fleet.tasks t
              join fleet.runs r on r.job_id = t.job_id
              where t.state = 'ready'
                and t.job_id in (select (f ->> 'job')::uuid
                                 from unnest(broken) f)
              limit 1000) b);
end $$;

-- A row for each thing that is not as it must be.
create or replace function fleet.violations()
returns table (rule text, job uuid, task uuid, detail text)
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    with counted as (
        select t.job_id,
               count(*) filter (where not fleet.is_terminal(t.state)) as open,
               count(*) filter (where t.required and fleet.is_terminal(t.state)
                                  and t.state <> 'succeeded') as bad
        from fleet.tasks t group by t.job_id
    ), run as (
        select r.*, coalesce(c.open, 0) as real_open,
               coalesce(c.bad, 0) as real_bad, j.status,
               j.id is not null as known
        from fleet.runs r
        left join counted c on c.job_id = r.job_id
        left join public.jobs j on j.id = r.job_id
    ), need as (
        select t.id, count(n.id) as known,
               count(n.id) filter (
                   where n.state <> 'succeeded'
                     and (n.required or n.state not in ('dead', 'quarantined')))
                   as unmet
        from fleet.tasks t
        left join fleet.tasks n
            on n.job_id = t.job_id and n.node = any(t.needs)
        group by t.id
    ), joined as (
        select job_id, generation, count(*) as times, min(kind) as kind
        from fleet.events
        where kind in ('job_completed', 'job_failed')
        group by job_id, generation
    )
    select 'open count', job_id, null::uuid,
           format('the run says %s, its tasks %s', open, real_open)
    from run where open <> real_open
    union all
    select 'bad count', job_id, null,
           format('the run says %s, its tasks %s', bad, real_bad)
    from run where bad <> real_bad and state <> 'cancelled'
    union all
    select 'ended', job_id, null,
           format('state %s, ended %s, %s tasks open', state, ended_at,
                  real_open)
    from run
    where (ended_at is null) <> (real_open > 0)
       or ended_at is not null and state = 'open'
       or ended_at is null and state in ('completed', 'failed')
       or state = 'completed' and real_bad > 0
       or state = 'failed' and real_bad = 0
    union all
    select 'status', job_id, null,
           format('the run is %s, the job %s', state, status)
    from run
    where known and status <> all(case state
        when 'open' then '{pending,running}'::text[]
        when 'completed' then '{completed}' else '{failed}' end)
    union all
    select 'orphan run', job_id, null, 'its job is gone from the jobs table'
    from run where not known
    union all
    select 'join', r.job_id, null,
           format('ended as %s in generation %s, joined %s times as %s',
                  r.state, r.generation, coalesce(j.times, 0), j.kind)
    from run r
    left join joined j using (job_id, generation)
    where r.ended_at is not null and r.state in ('completed', 'failed')
      and (j.times is distinct from 1 or j.kind <> 'job_' || r.state)
    union all
    select 'join', j.job_id, null,
           format('joined %s times in generation %s', j.times, j.generation)
    from joined j
    join run r on r.job_id = j.job_id and r.generation <> j.generation
    where j.times > 1
    union all
    select 'twice', job_id, task_id,
           format('succeeded %s times in generation %s', count(*), generation)
    from fleet.events where kind = 'succeeded'
    group by job_id, task_id, generation having count(*) > 1
    union all
    select 'no ring', t.job_id, t.id, 'ready and never rung'
    from fleet.tasks t where t.state = 'ready' and t.rung_at is null
    union all
    select 'lease', t.job_id, t.id,
           format('lease ended %s ago', clock_timestamp() - t.lease_until)
    from fleet.tasks t
    where t.state = 'leased'
      and t.lease_until < clock_timestamp() - interval '2 min'
    union all
    select 'unmet', t.job_id, t.id,
           format('waits for %s, %s needs are not met', t.unmet, n.unmet)
    from fleet.tasks t
    join need n on n.id = t.id
    where t.state = 'blocked' and n.known = cardinality(t.needs)
      and (t.unmet <> n.unmet or n.unmet = 0)
    union all
    select 'needs', t.job_id, t.id, format('needs %s', t.needs)
    from fleet.tasks t
    join need n on n.id = t.id
    where n.known <> cardinality(t.needs)
    union all
    select 'result', t.job_id, t.id,
           case when s.task_id is null then 'succeeded without a result'
                else format('%s with a result', t.state) end
    from fleet.tasks t
    left join fleet.results s on s.task_id = t.id
    where (s.task_id is not null) <> (t.state = 'succeeded')
    union all
    select 'orphan task', t.job_id, t.id, 'without a run'
    from fleet.tasks t
    where not exists (select from fleet.runs r where r.job_id = t.job_id)
    union all
    select 'orphan result', s.job_id, s.task_id, 'without a task'
    from fleet.results s
    where not exists (select from fleet.tasks t where t.id = s.task_id)
    union all
    select 'orphan checkpoint', null, c.task_id, 'without a task'
    from fleet.checkpoints c
    where not exists (select from fleet.tasks t where t.id = c.task_id)
    union all
    select 'root', r.job_id, r.root_task, 'the run has no root task'
    from fleet.runs r
    where not exists (select from fleet.tasks t
                      where t.id = r.root_task and t.job_id = r.job_id);
end $$;

-- Mends jobs: what is derived is derived anew, what is lost is made again, and
-- what belongs to nothing goes.
create or replace function fleet.mend(ids uuid[])
returns void language plpgsql as $$
#variable_conflict use_column
declare
    now constant timestamptz := clock_timestamp();
    ended uuid[];
begin
    perform fleet.mend_runs(ids);
    perform from fleet.runs where job_id = any(ids)
        order by job_id for no key update;
    perform fleet.reopen(fleet.mend_tasks(ids), 'fsck', false, null, null);
    update fleet.tasks t
    set rung_at = now where t.job_id = any(ids) and t.rung_at is null;
    update fleet.tasks t
    set unmet = n.unmet, since = now, rung_at = now,
        state = case n.unmet when 0 then 'ready' else 'blocked' end
    from (select t.id, count(n.id) as known, count(n.id) filter (
                     where n.state <> 'succeeded'
                       and (n.required
                            or n.state not in ('dead', 'quarantined')))
              as unmet
          from fleet.tasks t
          left join fleet.tasks n
              on n.job_id = t.job_id and n.node = any(t.needs)
          where t.job_id = any(ids) and t.state in ('blocked', 'ready')
          group by t.id) n
    where t.id = n.id and n.known = cardinality(t.needs)
      and case t.state when 'ready' then n.unmet > 0
                       else t.unmet <> n.unmet or n.unmet = 0 end;

    update fleet.runs r
    set open = n.open, bad = n.bad,
        state = case when r.state = 'cancelled' then r.state
                     when n.open > 0 then 'open'
                     when n.bad = 0 then 'completed' else 'failed' end,
        ended_at = case when n.open > 0 then null
                        else coalesce(r.ended_at, now) end
    from (select job_id,
                 count(*) filter (where not fleet.is_terminal(state)) as open,
                 count(*) filter (where required
                                    and fleet.is_terminal(state)
                                    and state <> 'succeeded') as bad
          from fleet.tasks where job_id = any(ids) group by job_id) n
    where r.job_id = n.job_id;
    ended := array(
        select job_id from fleet.runs
        where job_id = any(ids) and ended_at is not null);
    insert into fleet.events (job_id, generation, kind, note)
    select r.job_id, r.generation, 'job_' || r.state, 'by fsck'
    from fleet.runs r
    where r.job_id = any(ended) and r.state <> 'cancelled'
      and not exists (select from fleet.events e
                      where e.job_id = r.job_id and e.task_id is null
                        and e.generation = r.generation
                        and e.kind = 'job_' || r.state);
    perform fleet.publish(ended);
    update public.jobs j
    set status = 'running', completed_at = null
    from fleet.runs r
    where r.job_id = any(ids) and r.state = 'open' and j.id = r.job_id
      and j.status not in ('pending', 'running');
    perform fleet.sweep(ids);

    delete from fleet.runs r
    where r.job_id = any(ids) and r.ended_at is not null
      and not exists (select from public.jobs j where j.id = r.job_id);
    delete from fleet.tasks t
    where t.job_id = any(ids)
      and not exists (select from fleet.runs r where r.job_id = t.job_id);
    delete from fleet.results s
    where s.job_id = any(ids)
      and not exists (select from fleet.tasks t
                      where t.id = s.task_id and t.state = 'succeeded');
    delete from fleet.checkpoints c
    where not exists (select from fleet.tasks t where t.id = c.task_id);
end $$;

-- Runs and their root tasks: tasks of a job that is known get a run again, a run
-- without any task is made anew.  What they count is counted afterwards.
create or replace function fleet.mend_runs(ids uuid[])
returns void language plpgsql as $$
#variable_conflict use_column
begin
    insert into fleet.runs (job_id, root_task, generation, open, snapshot,
                            deadline_at, deadline_ms)
    select j.id, (array_agg(t.id order by t.parent is not null, t.node))[1],
           max(t.generation), 0,
           bool_and(t.claimed_at is null) or exists (
               select from fleet.inputs i where i.job_id = j.id),
           clock_timestamp() + interval '1 hour', 3600000
    from fleet.tasks t
    join public.jobs j on j.id = t.job_id
    where t.job_id = any(ids)
      and not exists (select from fleet.runs r where r.job_id = t.job_id)
    group by j.id
    order by j.id
    on conflict do nothing;

    update fleet.runs r
    set root_task = t.id
    from fleet.tasks t
    where r.job_id = any(ids) and t.job_id = r.job_id and t.parent is null
      and not exists (select from fleet.tasks o
                      where o.id = r.root_task and o.job_id = r.job_id);
    delete from fleet.runs r
    using public.jobs j
    where r.job_id = any(ids) and j.id = r.job_id
      and j.status in ('pending', 'running')
      and not exists (select from fleet.tasks t where t.job_id = r.job_id);
    perform fleet.adopt(ids);
end $$;

-- Tasks that have to run again: those that a stored plan has and the table does
-- not, which are inserted, and those whose result is gone.  A task that has
-- planned others can't: what it plans is there.
create or replace function fleet.mend_tasks(ids uuid[])
returns uuid[] language plpgsql as $$
#variable_conflict use_column
declare
    made uuid[];
begin
    with planned as (
        select p.id as parent, p.job_id, p.generation, i.ord, i.item,
               i.item ->> 'node' as node,
               array(select distinct jsonb_array_elements_text(coalesce(
                   nullif(i.item -> 'needs', 'null'), '[]'))) as needs
        from fleet.tasks p
        join fleet.results s on s.task_id = p.id
        cross join lateral jsonb_array_elements(
            case when jsonb_typeof(s.output -> 'plan') = 'array'
                 then s.output -> 'plan' else '[]' end)
            with ordinality as i(item, ord)
        where p.job_id = any(ids) and p.state = 'succeeded'
    ), task as (
        insert into fleet.tasks (id, job_id, parent, generation, node, agent,
                                 needs, feeds, required, params, state)
        select uuid_generate_v5(p.job_id, p.node), p.job_id, p.parent,
               p.generation, p.node, p.item ->> 'agent', p.needs,
               array(select uuid_generate_v5(f.job_id, f.node)
                     from planned f
                     where f.parent = p.parent and p.node = any(f.needs)
                     order by f.ord),
               coalesce((p.item -> 'required')::boolean, true),
               coalesce(nullif(p.item -> 'params', 'null'), '{}'), 'blocked'
        from planned p
        order by 1
        on conflict do nothing
        returning id
    )
    select array_agg(id) into made from task;
    return coalesce(made, '{}') || array(
        select t.id from fleet.tasks t
        where t.job_id = any(ids) and t.state = 'succeeded'
          and not exists (select from fleet.results s where s.task_id = t.id)
          and not exists (select from fleet.tasks c
                          where c.job_id = t.job_id and c.parent = t.id));
end $$;
