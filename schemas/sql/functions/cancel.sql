-- Cancels a job: see README.md.  Leased tasks end when their worker hears of it
-- by its next beat, or when their lease ends.
create or replace function fleet.cancel(request jsonb)
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
    shape constant jsonb := '{"job": "uuid", "by": "text 1 255"}';
    one uuid;
    run fleet.runs;
    moved fleet.move[];
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
                 then 'already' else 'unknown' end)::text, null::text;
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
        returning t.*
    ), event as (
        insert into fleet.events (job_id, task_id, generation, kind, fence)
        select one, id, generation, 'cancelled', fence from ended
    )
    select array_agg(row(id, job_id, feeds, required, state)::fleet.move)
    into moved from ended;
    if moved is not null then
        perform fleet.advance(moved, '{}');
    end if;
    perform fleet.publish(array[one]);

    select count(*) into left_over from fleet.tasks
    where job_id = one and state = 'leased';
    return query select jsonb_build_object('wake_ms', fleet.wake(60000),
        'verdict', 'cancelled', 'left', left_over)::text, null::text;
end $$;
