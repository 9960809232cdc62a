-- A user's portfolio as it is now, as text: money and quantities as decimal
-- text, accounts oldest first, positions by symbol.  The seed depends on the
-- job alone.
create or replace function fleet.snapshot(job uuid)
returns text language plpgsql as $$
declare
    owner text;
begin
    select clerk_user_id into owner from public.jobs where id = job;
    return json_build_object(
        'as_of', to_char(clock_timestamp() at time zone 'UTC',
                         'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'seed', ('x' || left(encode(sha256(job::text::bytea), 'hex'), 14))
            ::bit(56)::bigint >> 3,
        'user', (
            select json_build_object(
                'clerk_user_id', u.clerk_user_id,
                'display_name', u.display_name,
                'years_until_retirement', u.years_until_retirement,
                'target_retirement_income', u.target_retirement_income::text,
                'asset_class_targets', u.asset_class_targets,
                'region_targets', u.region_targets)
            from public.users u where u.clerk_user_id = owner),
        'accounts', coalesce((
            select json_agg(json_build_object(
                'id', a.id,
                'name', a.account_name,
                'purpose', a.account_purpose,
                'cash_balance', a.cash_balance::text,
                'cash_interest', a.cash_interest::text,
                'positions', coalesce((
                    select json_agg(json_build_object(
                        'symbol', p.symbol, 'quantity', p.quantity::text)
                        order by p.symbol)
                    from public.positions p
                    where p.account_id = a.id and p.symbol is not null), '[]'))
                order by a.created_at, a.id)
            from public.accounts a where a.clerk_user_id = owner), '[]'),
        'instruments', coalesce((
            select json_object_agg(i.symbol, json_build_object(
                'name', i.name,
                'instrument_type', i.instrument_type,
                'current_price', i.current_price::text,
                'price_source', i.price_source,
                'price_as_of', to_char(i.price_as_of at time zone 'UTC',
                                       'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'allocation_source', i.allocation_source,
                'allocation_asset_class', i.allocation_asset_class,
                'allocation_regions', i.allocation_regions,
                'allocation_sectors', i.allocation_sectors)
                order by i.symbol)
            from public.instruments i
            where i.symbol in (
                select p.symbol from public.positions p
                join public.accounts a on a.id = p.account_id
                where a.clerk_user_id = owner)), '{}'))::text;
end $$;
