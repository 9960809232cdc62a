-- Stores answers to a task's asks: the first one of each request stays.  See
-- README.md.
--
-- No lock: an answer is right for its request whoever bought it, so an answer
-- stored while the lease changes hands does no harm.
create or replace function fleet.checkpoint(request jsonb)
returns table (head text, body text)
language plpgsql security definer
set search_path = fleet, public, pg_temp
set lock_timeout = '5s'
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    shape constant jsonb := '{"items": [1, 100, {
        "task": "uuid", "fence": "int 1 1e18", "ordinal": "int 0 100000",
        "sha256": "sha256", "answer": "text 0 1048576"}]}';
    most constant integer := 100;
begin
    perform fleet.require('checkpoint', request, shape);
    insert into fleet.checkpoints (task_id, ordinal, sha256, answer)
    select distinct on (1, 2, 3) i.task, i.ordinal, i.sha256, i.answer
    from (select * from jsonb_to_recordset(request -> 'items') as i(
              task uuid, fence bigint, ordinal integer, sha256 text,
              answer text)
          limit most) i
    join fleet.tasks t on t.id = i.task
    where t.fence = i.fence and t.state = 'leased'
    order by 1, 2, 3
    on conflict do nothing;

    return query select jsonb_build_object('wake_ms', fleet.wake(60000))::text,
                        null::text;
    return query
    select jsonb_build_object(
               'task', i.task, 'ordinal', i.ordinal, 'verdict',
               case when t.id is null then 'lost' else 'applied' end)::text,
           case when t.id is not null and c.answer <> i.answer
                then c.answer end
    from (select * from jsonb_to_recordset(request -> 'items') as i(
              task uuid, fence bigint, ordinal integer, sha256 text,
              answer text)
          limit most) i
    left join fleet.tasks t on t.id = i.task and t.fence = i.fence
                           and t.state = 'leased'
    left join fleet.checkpoints c
        on c.task_id = i.task and c.ordinal = i.ordinal and c.sha256 = i.sha256;
end $$;
