-- Effects on what all users share, and the bound on what a job may store.

create or replace function fleet.payload_bytes(output jsonb)
returns integer language sql immutable as $$
    select coalesce(octet_length((output -> 'report_payload')::text), 0)
         + coalesce(octet_length((output -> 'charts_payload')::text), 0)
         + coalesce(octet_length((output -> 'retirement_payload')::text), 0)
         + coalesce(octet_length((output -> 'summary_payload')::text), 0)
$$;

-- {task: error} for results with which their job's row would pass 48 KB (of
-- which 8 are for how the agents fared): the API reads whole rows, and a Data
-- API row may have 64.  The first that fit, stay.
create or replace function fleet.large_payloads(outcomes fleet.outcome[])
returns jsonb language plpgsql as $$
#variable_conflict use_column
declare
    most_bytes constant integer := 40000;
    used jsonb := '{}';
    large jsonb := '{}';
    size integer;
    o record;
begin
    for o in
        select g.job::text as job, g.task::text as task,
               r.payload_bytes as before, fleet.payload_bytes(g.output) as bytes
        from (select * from unnest(outcomes) limit 100) g
        join fleet.runs r on r.job_id = g.job
        where g.outcome = 'succeeded' and fleet.payload_bytes(g.output) > 0
    loop
        size := coalesce((used -> o.job)::integer, o.before) + o.bytes;
        if size <= most_bytes then
            used := used || jsonb_build_object(o.job, size);
        else
            large := large || jsonb_build_object(o.task, jsonb_build_object(
                'class', 'payload_too_large', 'text', format(
                    'report, charts, projection and summary of a job may have '
                    '%s bytes together; with this result they would have %s',
                    most_bytes, size)));
        end if;
    end loop;
    return large;
end $$;

create or replace function fleet.count_payloads(
    outcomes fleet.outcome[], moved fleet.move[])
returns void language plpgsql as $$
#variable_conflict use_column
begin
    update fleet.runs r
    set payload_bytes = r.payload_bytes + g.bytes
    from (select o.job, sum(fleet.payload_bytes(o.output))::int as bytes
          from (select * from unnest(outcomes) limit 100) o
          where o.task = any(array(
              select id from unnest(moved) where state = 'succeeded'))
          group by o.job) g
    where r.job_id = g.job;
end $$;

-- Prices and classifications that tasks found.  A price never replaces a newer
-- one.
create or replace function fleet.learn(
    outcomes fleet.outcome[], moved fleet.move[])
returns void language plpgsql as $$
#variable_conflict use_column
declare
    done uuid[] := array(
        select id from unnest(moved) where state = 'succeeded');
begin
    perform from public.instruments
        where symbol in (
            select e.item ->> 'symbol'
            from unnest(outcomes) o
            cross join lateral jsonb_array_elements(
                coalesce(o.output -> 'prices', '[]')
                || coalesce(o.output -> 'instruments', '[]')) as e(item)
            where o.task = any(done))
        order by symbol for no key update;

    update public.instruments i
    set current_price = p.price, price_source = p.source, price_as_of = p.as_of
    from (select distinct on (symbol) p.*
          from unnest(outcomes) o
          cross join lateral jsonb_to_recordset(o.output -> 'prices') as p(
              symbol text, price numeric, source text, as_of timestamptz)
          where o.task = any(done) and o.output ? 'prices'
          order by symbol, as_of desc) p
    where i.symbol = p.symbol
      and (i.price_as_of is null or i.price_as_of <= p.as_of);

    insert into public.instruments as old
        (symbol, name, instrument_type, allocation_asset_class,
         allocation_regions, allocation_sectors, allocation_source,
         allocation_rationale)
    select distinct on (n.symbol)
           n.symbol, coalesce(n.name, n.symbol), n.instrument_type,
           n.allocation_asset_class, n.allocation_regions,
           n.allocation_sectors, n.source, n.rationale
    from unnest(outcomes) o
    cross join lateral jsonb_to_recordset(o.output -> 'instruments') as n(
        symbol text, name text, instrument_type text,
        allocation_asset_class jsonb, allocation_regions jsonb,
        allocation_sectors jsonb, source text, rationale text)
    where o.task = any(done) and o.output ? 'instruments'
    order by n.symbol, o.task
    on conflict (symbol) do update
    set name = excluded.name,
        instrument_type = coalesce(excluded.instrument_type,
                                   old.instrument_type),
        allocation_asset_class = coalesce(excluded.allocation_asset_class,
                                          old.allocation_asset_class),
        allocation_regions = coalesce(excluded.allocation_regions,
                                      old.allocation_regions),
        allocation_sectors = coalesce(excluded.allocation_sectors,
                                      old.allocation_sectors),
        allocation_source = excluded.allocation_source,
        allocation_rationale = excluded.allocation_rationale;
end $$;
