-- Cancels a job: see README.md.  Leased tasks end when their worker hears of it
-- by its next beat, or when their lease ends.
create or replace function fleet.cancel(request jsonb)
returns table (head jsonb, body text)
language plpgsql security definer
set search_path = fleet, public, pg_temp
set lock_timeout = '5s'
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set timezone = 'UTC'
as $$
#variable_conflict use_column
declare
    shape constant jsonb := '{"job": "uuid", "by": "text 1 255"}';
    one uuid;
    run fleet.runs;
    moved fleet.tasks[];
    left_over integer;
begin
    perform fleet.require('cancel', request, shape);
    one := request ->> 'job';
    perform fleet.adopt(array[one]);
    select * into run from fleet.runs where job_id = one for no key update;
    if run.state is distinct from 'open' then
        return query select jsonb_build_object(
            'wake_ms', fleet.wake(60000), 'left', 0, 'verdict',
            case when run.job_id is not null
                   or exists (select from public.jobs where id = one)
                 then 'already' else 'unknown' end), null::text;
        return;
    end if;

    update fleet.runs set state = 'cancelled' where job_id = one;
    insert into fleet.events (job_id, generation, kind, note)
    values (one, run.generation, 'job_cancelled', request ->> 'by');
    with ended as (
        update fleet.tasks t
        set state = 'cancelled', since = clock_timestamp()
        where t.job_id = one
          and t.state in ('blocked', 'ready', 'retry_wait')
        returning t
    ), event as (
        insert into fleet.events (job_id, task_id, generation, kind, fence)
        select one, (e.t).id, run.generation, 'cancelled', (e.t).fence
        from ended e
    )
    select array_agg(t) into moved from ended;
    if moved is not null then
        perform fleet.advance(moved, '{}');
    end if;
    perform fleet.publish(array[one]);

    select count(*) into left_over from fleet.tasks
    where job_id = one and state = 'leased';
    return query select jsonb_build_object('wake_ms', fleet.wake(60000),
        'verdict', 'cancelled', 'left', left_over), null::text;
end $$;
