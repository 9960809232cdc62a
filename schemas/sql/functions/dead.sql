-- Tasks that died, and what a replay of each would meet: see README.md.
--
-- There is no index on the state of a task, which every transition would pay
-- for: a page reads all tasks that prune has left.
create or replace function fleet.dead(request jsonb)
returns table (head text, body text)
language plpgsql security definer
set search_path = fleet, public, pg_temp
set lock_timeout = '5s'
set timezone = 'UTC'
as $$
#variable_conflict use_column
declare
    shape constant jsonb := '{"tasks?": [1, 1000, "uuid"], "job?": "uuid",
        "agent?": "agent", "user?": "text 1 255", "class?": "text 1 100",
        "like?": "text 1 200", "since?": "time", "until?": "time",
        "cancelled?": "bool", "dismissed?": "bool", "replayed?": "bool",
        "extend?": "bool", "max_replays?": "int 0 1000000",
        "detail?": "bool", "limit?": "int 1 1000",
        "after?": {"at": "time", "task": "uuid"}}';
    asked uuid[];
    most integer;
    page jsonb[];
begin
    perform fleet.require('dead', request, shape);
    asked := array(select e::uuid from jsonb_array_elements_text(
        coalesce(request -> 'tasks', '[]')) as e);
    most := coalesce((request -> 'limit')::integer, 100);
    page := array(
        select to_jsonb(d) || case when (request -> 'detail')::boolean
                                   then fleet.dead_detail(d.task) else '{}' end
        from fleet.deaths(request, asked, most + 1) d
        order by d.ended_at, d.job, d.task);
    return query select jsonb_build_object('next',
        case when cardinality(page) > most then jsonb_build_object(
            'at', page[most] ->> 'ended_at', 'task', page[most] ->> 'task')
        end)::text, null::text;
    return query select (p - 'ended_at')::text, null::text
        from unnest(page[:most]) p;
end $$;

-- The deaths that a request asks for.  Tasks named by their ids come whatever
-- their state; with 'replayed' also tasks whose last death was replayed.
create or replace function fleet.deaths(
    request jsonb, asked uuid[], most integer)
returns table (task uuid, job uuid, node text, agent text, "user" text,
               state text, class text, text text, at timestamptz,
               age_ms bigint, failures integer, crashes integer,
               losses integer, fence bigint, replays bigint,
               dismissed boolean, verdict text, ended_at timestamptz)
language plpgsql stable as $$
#variable_conflict use_column
declare
    -- A task that is one of several things asked for is found by any of them.
    states constant text[] := '{dead,quarantined}'::text[]
        || case when (request -> 'cancelled')::boolean
                then '{cancelled}'::text[] else '{}' end;
    replayed constant boolean := coalesce((request -> 'replayed')::boolean,
                                          false);
    after_at constant timestamptz := request #>> '{after,at}';
    after_task constant uuid := request #>> '{after,task}';
    after_job constant uuid := (select job_id from fleet.tasks
                                where id = after_task);
begin
    return query
    with death as (
        select t as row, x.times,
               case when t.state = any(states) then t.error
                    else coalesce(x.error, t.error) end as error,
               case when t.state = any(states) then t.since
                    else coalesce(x.died_at, t.since) end as at
        from fleet.tasks t
        left join lateral (
            select count(*) over () as times, p.error, p.died_at
            from fleet.replays p where p.task_id = t.id
            order by p.at desc limit 1) x on true
        where case when asked <> '{}' then t.id = any(asked)
                   else t.state = any(states)
                     or replayed and t.id in (select task_id
                                              from fleet.replays) end
          and t.job_id = coalesce((request ->> 'job')::uuid, t.job_id)
          and t.agent = coalesce(request ->> 'agent', t.agent)
    )
    select (d.row).id, (d.row).job_id, (d.row).node, (d.row).agent, d.user_id,
           (d.row).state, d.error ->> 'class', left(d.error ->> 'text', 2000),
           d.at, (date_part('epoch', clock_timestamp() - d.at) * 1000)::bigint,
           (d.row).failures, (d.row).crashes, (d.row).losses, (d.row).fence,
           coalesce(d.times, 0), d.dismissed,
           case when v.verdict = 'would_run'
                     and d.times > (request -> 'max_replays')::bigint
                then 'replayed_before' else v.verdict end,
           d.ended_at
    from (
        select d.*, r as run, j.clerk_user_id::text as user_id,
               s.task_id is not null as dismissed, e.ended_at
        from death d
        left join fleet.runs r on r.job_id = (d.row).job_id
        left join public.jobs j on j.id = (d.row).job_id
        left join fleet.dismissals s
            on s.task_id = (d.row).id and s.fence = (d.row).fence
        cross join lateral (
            select coalesce(r.ended_at, '9999-12-31') as ended_at) e
        where (asked <> '{}' or s.task_id is null
               or (request -> 'dismissed')::boolean)
          and (request ->> 'user' is null
               or j.clerk_user_id = request ->> 'user')
          and (request ->> 'class' is null
               or d.error ->> 'class' = request ->> 'class')
          and (request ->> 'like' is null
               or d.error ->> 'text' ilike '%' || (request ->> 'like') || '%'
                  escape '')
          and d.at >= coalesce((request ->> 'since')::timestamptz, '-infinity')
          and d.at < coalesce((request ->> 'until')::timestamptz, 'infinity')
          and (after_task is null
               or (e.ended_at, (d.row).job_id, (d.row).id)
                  > (after_at, after_job, after_task))
        order by e.ended_at, (d.row).job_id, (d.row).id
        limit most) d
    cross join lateral (
        select fleet.replay_verdict(d.row, d.run,
            coalesce((request -> 'cancelled')::boolean, false),
            coalesce((request -> 'extend')::boolean, false)) as verdict) v;
end $$;

-- What somebody who looks at one death wants to know beside it.
create or replace function fleet.dead_detail(one uuid)
returns jsonb language plpgsql stable as $$
begin
    return (
        select jsonb_build_object(
            'needs', t.needs, 'params', left(t.params::text, 4000),
            'required', t.required, 'owner', t.lease_owner,
            'snapshot_bytes', (
                select octet_length(i.snapshot) from fleet.inputs i
                where i.job_id = t.job_id),
            'answers', (select count(*) from fleet.checkpoints c
                        where c.task_id = t.id),
            'lineage', (
                select coalesce(jsonb_agg(l order by l ->> 'at'), '[]')
                from (select jsonb_build_object(
                          'at', p.at, 'by', p.by, 'batch', p.batch,
                          'generation', p.generation, 'fence', p.fence,
                          'fresh', p.fresh, 'state', p.state,
                          'class', p.error ->> 'class',
                          'text', left(p.error ->> 'text', 500),
                          'died_at', p.died_at) as l
                      from fleet.replays p where p.task_id = t.id
                      order by p.at desc limit 50) s))
        from fleet.tasks t where t.id = one);
end $$;

-- What a replay of this task would meet: 'would_run', or why not.
create or replace function fleet.replay_verdict(
    task fleet.tasks, run fleet.runs, cancelled boolean, extend boolean)
returns text language plpgsql stable as $$
begin
    return case
        when task.state in ('succeeded', 'skipped') then task.state
        when run.job_id is null then 'invalid_input'
        when run.ended_at is null then 'not_over'
        when not exists (select from public.jobs j where j.id = run.job_id)
            then 'invalid_input'
        when 'cancelled' in (task.state, run.state) and not cancelled
            then 'cancelled'
        -- Whoever wanted it by then may not want it now.
        when task.error ->> 'class' = 'deadline' and not extend
            then 'deadline'
        -- Nothing makes a lost snapshot or a lost result again.
        when run.snapshot and task.id <> run.root_task
             and not exists (select from fleet.inputs i
                             where i.job_id = run.job_id)
            then 'invalid_input'
        when exists (
            select from fleet.tasks n
            where n.job_id = task.job_id and n.node = any(task.needs)
              and n.state = 'succeeded'
              and not exists (select from fleet.results s
                              where s.task_id = n.id))
            then 'invalid_input'
        else 'would_run' end;
end $$;

-- Takes deaths off the list, or with 'undo' puts them back: see README.md.
create or replace function fleet.dismiss(request jsonb)
returns table (head text, body text)
language plpgsql security definer
set search_path = fleet, public, pg_temp
set lock_timeout = '5s'
set timezone = 'UTC'
as $$
#variable_conflict use_column
declare
    shape constant jsonb := '{"tasks": [1, 1000, "uuid"], "by": "text 1 255",
        "undo?": "bool"}';
    asked uuid[];
begin
    perform fleet.require('dismiss', request, shape);
    asked := array(select distinct e::uuid
                   from jsonb_array_elements_text(request -> 'tasks') as e
                   order by 1);
    if (request -> 'undo')::boolean then
        delete from fleet.dismissals where task_id = any(asked);
    else
        insert into fleet.dismissals (task_id, job_id, fence, by)
        select id, job_id, fence, request ->> 'by' from fleet.tasks
        where id = any(asked) and state in ('dead', 'quarantined', 'cancelled')
        order by id
        on conflict (task_id) do update
        set fence = excluded.fence, at = excluded.at, by = excluded.by
        where dismissals.fence < excluded.fence;
    end if;
    return query select '{}'::text, null::text;
    return query
    select jsonb_build_object('task', a.id, 'verdict', case
        when t.id is null then 'unknown'
        when s.task_id is not null then 'dismissed'
        when (request -> 'undo')::boolean then 'listed'
        else t.state end)::text, null::text
    from unnest(asked) as a(id)
    left join fleet.tasks t on t.id = a.id
    left join fleet.dismissals s on s.task_id = t.id and s.fence = t.fence
    order by a.id;
end $$;
