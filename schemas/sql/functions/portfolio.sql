-- Imports one user's accounts and positions, in one transaction: see README.md.
--
--   {"v":1, "user":{"clerk_user_id", "display_name", "years_until_retirement",
--                   "target_retirement_income", "asset_class_targets",
--                   "region_targets"},
--    "accounts":[{"key", "name", "purpose", "cash_balance", "cash_interest",
--                 "positions":[{"symbol","quantity"}]}],
--    "instruments":[{"symbol","name","instrument_type","price","price_source",
--                    "price_as_of"}]}
--
-- An account is the one with this key of this user; its positions become those
-- of the import.  What the import does not say of a user or account stays.  A
-- new instrument gets empty allocation maps, so that the tagger classifies it; a
-- known one only a newer price.
create or replace function fleet.portfolio(request jsonb)
returns table (head text, body text)
language plpgsql security definer
set search_path = fleet, public, pg_temp
set lock_timeout = '5s'
set timezone = 'UTC'
as $$
#variable_conflict use_column
declare
    shape constant jsonb := '{
        "user": {"clerk_user_id": "text 1 255", "display_name?": "text 1 255",
            "years_until_retirement?": "int 0 100",
            "target_retirement_income?": "decimal 0 9999999999.99",
            "asset_class_targets?": "object 4096",
            "region_targets?": "object 4096"},
        "accounts?": [0, 100, {"key": "text 1 255", "name": "text 1 255",
            "purpose?": "text 0 10000",
            "cash_balance?": "decimal -9999999999.99 9999999999.99",
            "cash_interest?": "decimal 0 1",
            "positions?": [0, 5000, {"symbol": "text 1 20",
                "quantity": "decimal 0 999999999999"}]}],
        "instruments?": [0, 5000, {"symbol": "text 1 20",
            "name?": "text 1 255", "instrument_type?": "text 1 50",
            "price?": "decimal 0 99999999.9999",
            "price_source?": "text 1 100", "price_as_of?": "time"}]}';
    who text := request #>> '{user,clerk_user_id}';
    known boolean;
    imported integer;
    created integer;
    priced integer;
    stored integer;
begin
    perform fleet.require('portfolio', request, shape);
    known := exists (select from public.users where clerk_user_id = who);
    insert into public.users as u (clerk_user_id, display_name,
        years_until_retirement, target_retirement_income, asset_class_targets,
        region_targets)
    select who, g.display_name, g.years_until_retirement,
           g.target_retirement_income,
           coalesce(g.asset_class_targets, '{"equity":70,"fixed_income":30}'),
           coalesce(g.region_targets,
                    '{"north_america":50,"international":50}')
    from jsonb_to_record(request -> 'user') as g(
        display_name text, years_until_retirement integer,
        target_retirement_income numeric, asset_class_targets jsonb,
        region_targets jsonb)
    on conflict (clerk_user_id) do update
    set display_name = coalesce(excluded.display_name, u.display_name),
        years_until_retirement = coalesce(excluded.years_until_retirement,
                                          u.years_until_retirement),
        target_retirement_income = coalesce(excluded.target_retirement_income,
                                            u.target_retirement_income),
        asset_class_targets = case when request #> '{user,asset_class_targets}'
            is null then u.asset_class_targets
            else excluded.asset_class_targets end,
        region_targets = case when request #> '{user,region_targets}'
            is null then u.region_targets else excluded.region_targets end;

    perform from public.instruments
        where symbol in (select i ->> 'symbol' from jsonb_array_elements(
            coalesce(request -> 'instruments', '[]')) as e(i))
        order by symbol for no key update;
    with given as (
        select distinct on (symbol) i.*
        from jsonb_to_recordset(coalesce(request -> 'instruments', '[]')) as i(
            symbol text, name text, instrument_type text, price numeric,
            price_source text, price_as_of timestamptz)
        order by symbol, price_as_of desc nulls last
    ), made as (
        insert into public.instruments (symbol, name, instrument_type,
            current_price, price_source, price_as_of)
        select symbol, coalesce(name, symbol), instrument_type, price,
               case when price is not null then price_source end,
               case when price is not null then price_as_of end
        from given order by symbol
        on conflict do nothing
        returning symbol
    ), newer as (
        update public.instruments i
        set current_price = g.price, price_source = g.price_source,
            price_as_of = g.price_as_of
        from given g
        where i.symbol = g.symbol and g.price is not null
          and (i.current_price is null or i.price_as_of is null
               or g.price_as_of >= i.price_as_of)
        returning i.symbol
    )
    select (select count(*) from made), (select count(*) from newer)
    into created, priced;

    -- Snapshots list accounts oldest first: those of one import in its order.
    insert into public.accounts as a (clerk_user_id, import_key, account_name,
        account_purpose, cash_balance, cash_interest, created_at)
    select who, g.key, g.name, g.purpose, coalesce(g.cash_balance, 0),
           coalesce(g.cash_interest, 0), now() + g.ord * interval '1 us'
    from rows from (
        jsonb_to_recordset(coalesce(request -> 'accounts', '[]')) as (
            key text, name text, purpose text, cash_balance numeric,
            cash_interest numeric)) with ordinality as g(
        key, name, purpose, cash_balance, cash_interest, ord)
    order by g.key
    on conflict (clerk_user_id, import_key) do update
    set account_name = excluded.account_name,
        account_purpose = coalesce(excluded.account_purpose,
                                   a.account_purpose),
        cash_balance = excluded.cash_balance;
    get diagnostics imported = row_count;

    delete from public.positions p
    using public.accounts a
    where p.account_id = a.id and a.clerk_user_id = who
      and a.import_key in (select g ->> 'key' from jsonb_array_elements(
          coalesce(request -> 'accounts', '[]')) as e(g));
    insert into public.positions (account_id, symbol, quantity)
    select a.id, p.symbol, p.quantity
    from jsonb_array_elements(coalesce(request -> 'accounts', '[]')) as e(g)
    join public.accounts a
        on a.clerk_user_id = who and a.import_key = g ->> 'key'
    cross join lateral jsonb_to_recordset(coalesce(g -> 'positions', '[]'))
        as p(symbol text, quantity numeric);
    get diagnostics stored = row_count;

    return query select jsonb_build_object('user_created', not known,
        'accounts', imported, 'positions', stored,
        'instruments_created', created, 'prices_updated', priced)::text,
        null::text;
end $$;
