-- The five tables of Alex, column for column as upstream's own migration makes
-- them.  On an existing Alex database every statement finds its work done, and
-- no row is touched.

create extension if not exists "uuid-ossp";

create table if not exists users (
    clerk_user_id varchar(255) primary key,
    display_name varchar(255),
    years_until_retirement integer,
    target_retirement_income decimal(12,2),
    asset_class_targets jsonb default '{"equity": 70, "fixed_income": 30}',
    region_targets jsonb default '{"north_america": 50, "international": 50}',
    created_at timestamp default now(),
    updated_at timestamp default now()
);

create table if not exists instruments (
    symbol varchar(20) primary key,
    name varchar(255) not null,
    instrument_type varchar(50),
    current_price decimal(12,4),
    allocation_regions jsonb default '{}',
    allocation_sectors jsonb default '{}',
    allocation_asset_class jsonb default '{}',
    created_at timestamp default now(),
    updated_at timestamp default now()
);

create table if not exists accounts (
    id uuid primary key default uuid_generate_v4(),
    clerk_user_id varchar(255) references users(clerk_user_id)
        on delete cascade,
    account_name varchar(255) not null,
    account_purpose text,
    cash_balance decimal(12,2) default 0,
    cash_interest decimal(5,4) default 0,
    created_at timestamp default now(),
    updated_at timestamp default now()
);

create table if not exists positions (
    id uuid primary key default uuid_generate_v4(),
    account_id uuid references accounts(id) on delete cascade,
    symbol varchar(20) references instruments(symbol),
    quantity decimal(20,8) not null,
    as_of_date date default current_date,
    created_at timestamp default now(),
    updated_at timestamp default now(),
    unique (account_id, symbol)
);

create table if not exists jobs (
    id uuid primary key default uuid_generate_v4(),
    clerk_user_id varchar(255) references users(clerk_user_id)
        on delete cascade,
    job_type varchar(50) not null,
    status varchar(20) default 'pending',
    request_payload jsonb,
    report_payload jsonb,
    charts_payload jsonb,
    retirement_payload jsonb,
    summary_payload jsonb,
    error_message text,
    created_at timestamp default now(),
    started_at timestamp,
    completed_at timestamp,
    updated_at timestamp default now()
);

create index if not exists idx_accounts_user on accounts(clerk_user_id);
create index if not exists idx_positions_account on positions(account_id);
create index if not exists idx_positions_symbol on positions(symbol);
create index if not exists idx_jobs_user on jobs(clerk_user_id);

create or replace function update_updated_at_column() returns trigger
language plpgsql as $$
begin
    new.updated_at = now();
    return new;
end $$;

do $$
declare
    name text;
begin
    foreach name in array
        array['users', 'instruments', 'accounts', 'positions', 'jobs']
    loop
        if not exists (select from pg_trigger
                       where tgrelid = format('public.%I', name)::regclass
                         and tgfoid = 'update_updated_at_column'::regproc) then
            execute format('create trigger %I before update on %I for each row '
                           'execute function update_updated_at_column()',
                           'update_' || name || '_updated_at', name);
        end if;
    end loop;
end $$;
