-- What a job has produced, in pages: see README.md.
create or replace function fleet.show(request jsonb)
returns table (head text, body text)
language plpgsql security definer
set search_path = fleet, public, pg_temp
set lock_timeout = '5s'
as $$
#variable_conflict use_column
declare
    shape constant jsonb := '{"job": "uuid", "what": "one report_payload|'
        'charts_payload|retirement_payload|summary_payload|results",
        "node?": "text 1 59", "from?": "int 0 1000000"}';
    pages_a_call constant integer := 16;
    what text := request ->> 'what';
    first_page integer := coalesce((request ->> 'from')::integer, 0);
    content text;
    page integer;
    pages integer;
begin
    perform fleet.require('show', request, shape);
    -- Until a job is over its payloads are with the tasks that made them.
    select coalesce(
        (select to_jsonb(j) ->> what from public.jobs j
         where j.id = (request ->> 'job')::uuid and what <> 'results'
           and j.status in ('completed', 'failed')),
        (select case what when 'results' then s.output
                          else s.output -> what end::text
         from fleet.tasks t
         join fleet.results s on s.task_id = t.id
         where t.job_id = (request ->> 'job')::uuid
           and case what when 'results'
                    then t.node = coalesce(request ->> 'node', 'plan')
                    else s.output ? what end
         order by t.since desc limit 1))
    into content;
    page := fleet.page_chars(content);
    pages := greatest(1, ceil(length(content)::numeric / page));
    return query select jsonb_build_object(
        'verdict', case when content is null then 'none' else 'ok' end,
        'next', case when pages > first_page + pages_a_call
                     then first_page + pages_a_call end)::text, null::text;
    return query
    select jsonb_build_object('from', n * page,
               'chars', least(page, length(content) - n * page),
               'total_chars', length(content))::text,
           substr(content, n * page + 1, page)
    from generate_series(first_page, least(pages, first_page + pages_a_call)
                         - 1) as n
    where content is not null;
end $$;
