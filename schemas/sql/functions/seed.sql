-- Loads instruments: {"v":1,"instruments":[...]}, as schemas/instruments.json
-- has them.  Overwrites only what an earlier seed wrote, or nobody.
create or replace function fleet.seed(request jsonb)
returns table (head text, body text)
language plpgsql security definer
set search_path = fleet, public, pg_temp
set lock_timeout = '5s'
set timezone = 'UTC'
as $$
#variable_conflict use_column
declare
    shape constant jsonb := '{"instruments": [0, 5000, {
        "symbol": "text 1 20", "name": "text 1 255",
        "instrument_type": "text 1 50",
        "current_price?": "decimal 0 99999999.9999",
        "allocation_asset_class": "object 4096",
        "allocation_regions": "object 4096",
        "allocation_sectors": "object 4096"}]}';
begin
    perform fleet.require('seed', request, shape);
    perform from public.instruments
        where symbol in (select i ->> 'symbol' from jsonb_array_elements(
            request -> 'instruments') as e(i))
        order by symbol for no key update;
    insert into public.instruments (symbol, name)
    select distinct i ->> 'symbol', i ->> 'name'
    from jsonb_array_elements(request -> 'instruments') as e(i)
    order by 1
    on conflict do nothing;

    update public.instruments i
    set current_price = g.current_price, price_source = 'seed'
    from jsonb_to_recordset(request -> 'instruments') as g(
        symbol text, current_price numeric)
    where i.symbol = g.symbol and g.current_price is not null
      and (i.current_price is null or i.price_source = 'seed');

    update public.instruments i
    set name = g.name, instrument_type = g.instrument_type,
        allocation_asset_class = g.allocation_asset_class,
        allocation_regions = g.allocation_regions,
        allocation_sectors = g.allocation_sectors,
        allocation_source = 'seed'
    from jsonb_to_recordset(request -> 'instruments') as g(
        symbol text, name text, instrument_type text,
        allocation_asset_class jsonb, allocation_regions jsonb,
        allocation_sectors jsonb)
    where i.symbol = g.symbol
      and (i.allocation_source = 'seed'
           or coalesce(i.allocation_asset_class, '{}') = '{}'
           or coalesce(i.allocation_regions, '{}') = '{}'
           or coalesce(i.allocation_sectors, '{}') = '{}');

    return query select jsonb_build_object('instruments',
        jsonb_array_length(request -> 'instruments'))::text, null::text;
end $$;
