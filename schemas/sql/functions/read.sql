-- A task's input or stored answers, in pages.  See README.md.
create or replace function fleet.read(request jsonb)
returns table (head text, body text)
language plpgsql security definer
set search_path = fleet, public, pg_temp
set lock_timeout = '5s'
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    shape constant jsonb := '{"task": "uuid", "fence": "int 1 1e18",
        "what": "one input|checkpoints", "from": "int 0 1000000"}';
    -- Twice that, all quotes, is under 1 MiB as JSON.
    pages_a_call constant integer := 10;
    task_id uuid;
    first_page integer;
    found boolean;
begin
    perform fleet.require('read', request, shape);
    task_id := request ->> 'task';
    first_page := request ->> 'from';
    select true into found from fleet.tasks t
    where t.id = task_id and t.fence = (request ->> 'fence')::bigint
      and t.state = 'leased';
    if found is null then
        return query select '{"verdict": "lost", "next": null}'::text,
                            null::text;
        return;
    end if;
    return query
    with content as materialized (
        select null::jsonb as key, 0 as ordinal, '' as sha256,
               fleet.input_head(t, j.clerk_user_id, j.job_type, j.request_payload)
                   || coalesce(i.snapshot, 'null') || fleet.input_tail(t)
                   as text
        from fleet.tasks t
        join public.jobs j on j.id = t.job_id
        left join fleet.inputs i on i.job_id = t.job_id
        where t.id = task_id and request ->> 'what' = 'input'
        union all
        select jsonb_build_object('ordinal', c.ordinal, 'sha256', c.sha256),
               c.ordinal, c.sha256, c.answer
        from fleet.checkpoints c
        where c.task_id = task_id and request ->> 'what' = 'checkpoints'
    ), page as (
        select c.*, p.at,
               row_number() over (order by c.ordinal, c.sha256, p.at) - 1 as n
        from content c
        cross join lateral generate_series(
            0, greatest(0, length(c.text) - 1), fleet.page_chars(c.text))
            as p(at)
    )
    select jsonb_build_object('verdict', 'ok', 'next',
               case when count(*) > first_page + pages_a_call
                    then first_page + pages_a_call end)::text, null::text
    from page
    union all
    select * from (
        select (coalesce(key, '{}') || jsonb_build_object(
                    'from', at,
                    'chars', least(fleet.page_chars(text), length(text) - at),
                    'total_chars', length(text)))::text,
               substr(text, at + 1, fleet.page_chars(text))
        from page
        where n >= first_page and n < first_page + pages_a_call
        order by n) p;
end $$;
