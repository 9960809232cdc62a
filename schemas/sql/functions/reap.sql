-- Moves what nobody else moves, and rings what may have been rung in vain: see
-- README.md.
create or replace function fleet.reap(request jsonb)
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
    shape constant jsonb := '{"depth?": "object 65536",
        "limit?": "int 1 1000", "adopt?": "bool"}';
    started constant timestamptz := clock_timestamp();
    depth jsonb := coalesce(request -> 'depth', '{}');
    most integer := coalesce((request -> 'limit')::integer, 1000);
    window_size constant integer := 10000;
    jobs_due uuid[];
    moved integer := 0;
    bells text[];
    wake bigint;
begin
    perform fleet.require('reap', request, shape);
    if not pg_try_advisory_xact_lock(hashtext('fleet.reap')) then
        return query select jsonb_build_object('wake_ms', fleet.wake(60000),
            'moved', 0, 'rung', 0, 'skipped', true)::text, null::text;
        return;
    end if;
    if (request -> 'adopt')::boolean then
        moved := fleet.adopt(array(
            select id from public.jobs j
            where created_at between started - interval '1 day'
                                 and started - interval '2 min'
              and status = 'pending'
              and not exists (select from fleet.runs r where r.job_id = j.id)
            limit most));
    end if;

    jobs_due := array(
        select w.job_id
        from fleet.going(window_size) w
        join fleet.runs r on r.job_id = w.job_id
        where not exists (select from public.jobs j where j.id = r.job_id)
           or exists (
               select from fleet.tasks t
               where t.job_id = r.job_id
                 and case when t.state = 'leased' then t.lease_until <= started
                          when fleet.is_terminal(t.state) then false
                          else r.state <> 'open' or r.deadline_at <= started
                          end)
        limit most);
    if jobs_due <> '{}' then
        moved := moved + fleet.sweep(jobs_due);
    end if;

    -- Tasks that have just become ready are rung at once, others again when
    -- their bell seems lost: 30 s after it, doubling to 15 min, or 5 s if the
    -- broker says that it holds none.
    with silent as materialized (
        select t.id
        from fleet.going(window_size) w
        join fleet.tasks t on t.job_id = w.job_id
        where t.state in ('ready', 'retry_wait')
          and (t.rung_at >= started
               or fleet.rings_at(t, depth) <= clock_timestamp())
        order by t.rung_at
        limit most
        for no key update of t skip locked
    ), rung as (
        update fleet.tasks t
        set rung_at = clock_timestamp(),
            rings = t.rings + (t.rung_at < started)::int
        from silent s
        where t.id = s.id
        returning t
    )
    select array_agg(fleet.bell(u.t, r.trace)) into bells
    from rung u
    join fleet.runs r on r.job_id = (u.t).job_id;

    select min(fleet.ms_until(case
               when t.state = 'leased' then t.lease_until
               when t.state = 'blocked' then r.deadline_at
               else least(r.deadline_at, fleet.rings_at(t, depth)) end))
    into wake
    from fleet.going(window_size) w
    join fleet.runs r on r.job_id = w.job_id
    join fleet.tasks t on t.job_id = w.job_id
    where not fleet.is_terminal(t.state);
    if (select count(*) = window_size
        from (select from fleet.runs where ended_at is null
              limit window_size) r)
        or cardinality(bells) = most or cardinality(jobs_due) = most then
        wake := least(wake, 1000);
    end if;

    return query select jsonb_build_object('wake_ms', wake, 'moved', moved,
        'rung', coalesce(cardinality(bells), 0), 'skipped', false)::text,
        null::text;
    return query select u.h, null::text from unnest(bells) as u(h);
end $$;

-- When the bell of a ready or waiting task counts as lost.
create or replace function fleet.rings_at(task fleet.tasks, depth jsonb)
returns timestamptz language sql stable as $$
    select greatest(task.rung_at, task.next_run_at)
        + case when depth -> task.agent = '0' then 5
               else least(900, 30 * 2 ^ least(task.rings, 5)) end
        * interval '1 s'
$$;

-- What time and others have done to these jobs: leases that have ended, a
-- deadline that has passed, a cancelled run, a user who is gone.  Answers how
-- many tasks moved.
create or replace function fleet.sweep(ids uuid[])
returns integer language plpgsql as $$
#variable_conflict use_column
declare
    now timestamptz;
    moved fleet.move[];
    most constant integer := 1000000;
begin
    perform from fleet.runs where job_id = any(ids)
        order by job_id for no key update;
    now := clock_timestamp();
    with orphan as (
        update fleet.runs r
        set state = 'cancelled'
        where r.job_id = any(ids) and r.state = 'open'
          and not exists (select from public.jobs j where j.id = r.job_id)
        returning r.job_id, r.generation
    )
    insert into fleet.events (job_id, generation, kind, note)
    select job_id, generation, 'job_cancelled', 'user deleted' from orphan;

    with swept as (
        update fleet.tasks t
        set state = case
                when r.state <> 'open' then 'cancelled'
                when r.deadline_at <= now then
                    case t.state when 'blocked' then 'skipped' else 'dead' end
                when t.losses < 9 then 'ready'
                else 'dead' end,
            error = case
                when r.state <> 'open' then t.error
                when r.deadline_at <= now then '{"class": "deadline",
                    "text": "not finished in time"}'
                when t.losses < 9 then t.error
                else '{"class": "lost", "text": "ten workers vanished while '
                     'they had it"}' end,
            losses = t.losses + (t.state = 'leased')::int,
            since = now, next_run_at = null,
            rung_at = now, rings = 0
        from fleet.runs r
        where t.job_id = any(ids) and r.job_id = t.job_id
          and case when t.state = 'leased' then t.lease_until <= now
                   when fleet.is_terminal(t.state) then false
                   else r.state <> 'open' or r.deadline_at <= now end
        returning t.*
    ), event as (
        insert into fleet.events
            (job_id, task_id, generation, kind, fence, note)
        select job_id, id, generation,
               case state when 'ready' then 'lost' else state end, fence,
               error ->> 'class'
        from swept
    )
    select array_agg(row(id, job_id, feeds, required, state)::fleet.move)
    into moved from swept;
    if moved is not null then
        perform fleet.advance(moved, '{}');
    end if;
    return coalesce(cardinality(moved), 0);
end $$;
