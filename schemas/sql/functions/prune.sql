-- Forgets, a bounded number a call, what the fleet keeps of runs that ended
-- before a time, and events from before it.  Alex's own tables stay.
create or replace function fleet.prune(request jsonb)
returns table (head text, body text)
language plpgsql security definer
set search_path = fleet, public, pg_temp
set lock_timeout = '5s'
set timezone = 'UTC'
as $$
#variable_conflict use_column
declare
    shape constant jsonb := '{"before": "time", "limit?": "int 1 10000"}';
    before timestamptz;
    most integer;
    job_ids uuid[];
    task_ids uuid[];
    gone integer;
begin
    perform fleet.require('prune', request, shape);
    before := request ->> 'before';
    most := coalesce((request -> 'limit')::integer, 1000);
    job_ids := array(
        select job_id from fleet.runs where ended_at < before
        order by job_id limit most for no key update skip locked);
    task_ids := array(select id from fleet.tasks where job_id = any(job_ids));
    delete from fleet.checkpoints where task_id = any(task_ids);
    delete from fleet.results where task_id = any(task_ids);
    delete from fleet.tasks where job_id = any(job_ids);
    delete from fleet.inputs where job_id = any(job_ids);
    delete from fleet.replays where job_id = any(job_ids);
    delete from fleet.dismissals where task_id = any(task_ids);
    delete from fleet.runs where job_id = any(job_ids);
    delete from fleet.events
    where ctid = any(array(
        select ctid from fleet.events where at < before limit most));
    get diagnostics gone = row_count;
    return query select jsonb_build_object(
        'runs', cardinality(job_ids), 'events', gone,
        'more', cardinality(job_ids) = most or gone = most)::text,
        null::text;
end $$;
