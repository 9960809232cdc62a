-- Runs again what ended without success in jobs that are over: see README.md.
--
-- What succeeded stays.  A skipped task comes back if all it needs has come
-- back or is met; otherwise it would wait for ever.  A task whose fence is not
-- the one that was asked for has been replayed by somebody else since.
create or replace function fleet.replay(request jsonb)
returns table (head text, body text)
language plpgsql security definer
set search_path = fleet, public, pg_temp
set lock_timeout = '5s'
set timezone = 'UTC'
as $$
#variable_conflict use_column
declare
    shape constant jsonb := '{"tasks?": [1, 1000, "uuid"], "job?": "uuid",
        "fences?": [1, 1000, "int 0 9000000000000000"], "by": "text 1 255",
        "batch?": "uuid", "fresh?": "bool", "cancelled?": "bool",
        "extend_ms?": "int 1000 2592000000"}';
    now timestamptz;
    fresh constant boolean := coalesce((request -> 'fresh')::boolean, false);
    batch_id constant uuid := (request ->> 'batch')::uuid;
    asked uuid[];
    fit uuid[];
    job_ids uuid[];
    back uuid[] := '{}';
    grown uuid[];
    replies text[];
begin
    perform fleet.require('replay', request, shape);
    asked := array(
        select id from fleet.tasks
        where job_id = (request ->> 'job')::uuid
          and state in ('dead', 'quarantined', 'cancelled')
        union
        select t::uuid from jsonb_array_elements_text(
            coalesce(request -> 'tasks', '[]')) as e(t));
    job_ids := array(
        select distinct job_id from fleet.tasks where id = any(asked));
    perform from fleet.runs where job_id = any(job_ids)
        order by job_id for no key update;
    now := clock_timestamp();
    fit := array(
        select v.task from fleet.replay_verdicts(asked, request) v
        where v.verdict = 'would_run');

    loop
        grown := array(
            select t.id
            from fleet.tasks t
            where t.job_id = any(array(
                      select job_id from fleet.tasks where id = any(fit)))
              and (t.state = 'skipped' or t.id = any(fit))
              and t.id <> all(back)
              and not exists (
                  select from fleet.tasks n
                  where n.job_id = t.job_id and n.node = any(t.needs)
                    and n.state <> 'succeeded' and n.id <> all(back)
                    and (n.required or n.id = any(fit)
                         or n.state not in ('dead', 'quarantined'))));
        exit when grown = '{}';
        back := back || grown;
    end loop;
    perform fleet.reopen(back, request ->> 'by', fresh, batch_id,
                         (request -> 'extend_ms')::bigint);

    select array_agg(jsonb_build_object('task', v.task, 'job', t.job_id,
        'verdict', case when w.mine then 'replayed'
                        when v.task = any(fit) then 'needs'
                        else v.verdict end,
        'ring', case when w.mine and t.state = 'ready'
                     then jsonb_build_array(fleet.bell(t, r.trace)::jsonb)
                     else '[]' end)::text order by t.node)
    into replies
    from fleet.replay_verdicts(asked, request) v
    left join fleet.tasks t on t.id = v.task
    left join fleet.runs r on r.job_id = t.job_id
    cross join lateral (
        select t.id = any(back) or exists (
            select from fleet.replays p
            where p.task_id = t.id and p.batch = batch_id) as mine) w;
    return query select jsonb_build_object('wake_ms', fleet.wake(30000),
        'replayed', cardinality(back))::text, null::text;
    return query select u.h, null::text from unnest(replies) as u(h);
end $$;

-- What stands against a replay of each task, as replay_verdict() says it.
create or replace function fleet.replay_verdicts(asked uuid[], request jsonb)
returns table (task uuid, verdict text) language plpgsql stable as $$
begin
    return query
    select a.id, case
        when t.id is null then 'unknown'
        when t.fence <> (request -> 'fences' ->> f.at)::bigint then 'moved'
        else fleet.replay_verdict(t, r,
            coalesce((request -> 'cancelled')::boolean, false),
            request -> 'extend_ms' is not null) end
    from unnest(asked) as a(id)
    left join lateral (
        select (ord - 1)::integer as at
        from jsonb_array_elements_text(request -> 'tasks')
            with ordinality as e(id, ord)
        where e.id::uuid = a.id limit 1) f on true
    left join fleet.tasks t on t.id = a.id
    left join fleet.runs r on r.job_id = t.job_id;
end $$;

-- Opens the next generation of the jobs of these tasks, with fresh budgets and
-- deadline.  The fence is raised, so that whoever had a task before is stale.
create or replace function fleet.reopen(
    ids uuid[], who text, fresh boolean, batch_id uuid, extend_ms bigint)
returns void language plpgsql as $$
#variable_conflict use_column
declare
    now constant timestamptz := clock_timestamp();
    job_ids uuid[] := array(
        select distinct job_id from fleet.tasks where id = any(ids));
begin
    insert into fleet.replays (job_id, task_id, generation, fence, by, fresh,
                               batch, state, error, died_at)
    select t.job_id, t.id, r.generation + 1, t.fence, who, fresh, batch_id,
           t.state, t.error, t.since
    from fleet.tasks t
    join fleet.runs r on r.job_id = t.job_id
    where t.id = any(ids) and t.state <> 'skipped';
    if fresh then
        delete from fleet.checkpoints where task_id = any(ids);
        delete from fleet.inputs i using fleet.runs r
        where r.root_task = any(ids) and i.job_id = r.job_id;
    end if;

    update fleet.tasks t
    set unmet = n.unmet,
        state = case n.unmet when 0 then 'ready' else 'blocked' end,
        fence = t.fence + 1, generation = r.generation + 1,
        failures = 0, crashes = 0, losses = 0,
        next_run_at = null, rung_at = now, rings = 0, since = now, error = null
    from (select t.id, (select count(*) from fleet.tasks n
                        where n.job_id = t.job_id and n.node = any(t.needs)
                          and n.id = any(ids)) as unmet
          from fleet.tasks t where t.id = any(ids)) n,
         fleet.runs r
    where t.id = n.id and r.job_id = t.job_id;

    update fleet.runs r
    set generation = r.generation + 1, state = 'open', open = n.open,
        bad = n.bad, ended_at = null,
        deadline_at = now + coalesce(extend_ms, r.deadline_ms)
                            * interval '1 ms'
    from (select job_id,
                 count(*) filter (where not fleet.is_terminal(state)) as open,
                 count(*) filter (where required
                                    and fleet.is_terminal(state)
                                    and state <> 'succeeded') as bad
          from fleet.tasks where job_id = any(job_ids) group by job_id) n
    where r.job_id = n.job_id;

    insert into fleet.events (at, job_id, task_id, generation, kind, fence,
                              note)
    select now, r.job_id, t.id, r.generation,
           case when t.id is null then 'job_reopened' else 'replayed' end,
           t.fence, who
    from fleet.runs r
    cross join lateral (
        select null::uuid as id, null::bigint as fence
        union all
        select t.id, t.fence from fleet.tasks t
        where t.job_id = r.job_id and t.id = any(ids)) t
    where r.job_id = any(job_ids);

    update public.jobs
    set status = 'running', completed_at = null, error_message = null
    where id = any(job_ids);
end $$;
