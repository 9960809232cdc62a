-- Makes runs for jobs that upstream wrote: for those of 'ids' that have none and
-- are not over.  Answers how many.
create or replace function fleet.adopt(ids uuid[])
returns integer language plpgsql as $$
declare
    made uuid[];
begin
    with run as (
        insert into fleet.runs
            (job_id, root_task, open, deadline_at, deadline_ms)
        select j.id, uuid_generate_v5(j.id, 'plan'), 1,
               clock_timestamp() + interval '1 hour', 3600000
        from public.jobs j
        where j.id = any(ids)
          and coalesce(j.status, 'pending') in ('pending', 'running')
        order by j.id
        on conflict do nothing
        returning job_id, root_task, generation
    ), task as (
        insert into fleet.tasks (id, job_id, node, agent, state, rung_at)
        select root_task, job_id, 'plan', 'planner', 'ready', clock_timestamp()
        from run
    ), event as (
        insert into fleet.events (job_id, generation, kind)
        select job_id, generation, 'job_adopted' from run
    )
    select array_agg(job_id) into made from run;
    return coalesce(cardinality(made), 0);
end $$;
