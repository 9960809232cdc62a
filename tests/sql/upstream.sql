-- A database as upstream Alex leaves it: its one migration, and some rows.
create extension if not exists "uuid-ossp";
create table users (
    clerk_user_id varchar(255) primary key,
    display_name varchar(255),
    years_until_retirement integer,
    target_retirement_income decimal(12,2),
    asset_class_targets jsonb default '{"equity": 70, "fixed_income": 30}',
    region_targets jsonb default '{"north_america": 50, "international": 50}',
    created_at timestamp default now(),
    updated_at timestamp default now()
);
create table instruments (
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
create table accounts (
    id uuid primary key default uuid_generate_v4(),
    clerk_user_id varchar(255) references users(clerk_user_id) on delete cascade,
    account_name varchar(255) not null,
    account_purpose text,
    cash_balance decimal(12,2) default 0,
    cash_interest decimal(5,4) default 0,
    created_at timestamp default now(),
    updated_at timestamp default now()
);
create table positions (
    id uuid primary key default uuid_generate_v4(),
    account_id uuid references accounts(id) on delete cascade,
    symbol varchar(20) references instruments(symbol),
    quantity decimal(20,8) not null,
    as_of_date date default current_date,
    created_at timestamp default now(),
    updated_at timestamp default now(),
    unique(account_id, symbol)
);
create table jobs (
    id uuid primary key default uuid_generate_v4(),
    clerk_user_id varchar(255) references users(clerk_user_id) on delete cascade,
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
create index idx_users_clerk on users(clerk_user_id);
create index idx_accounts_user on accounts(clerk_user_id);
create index idx_positions_account on positions(account_id);
create index idx_positions_symbol on positions(symbol);
create index idx_jobs_user on jobs(clerk_user_id);
create index idx_jobs_status on jobs(status);
create function update_updated_at_column() returns trigger as $$
begin
    new.updated_at = now();
    return new;
end;
$$ language plpgsql;
create trigger update_users_updated_at before update on users
    for each row execute function update_updated_at_column();
create trigger update_instruments_updated_at before update on instruments
    for each row execute function update_updated_at_column();
create trigger update_accounts_updated_at before update on accounts
    for each row execute function update_updated_at_column();
create trigger update_positions_updated_at before update on positions
    for each row execute function update_updated_at_column();
create trigger update_jobs_updated_at before update on jobs
    for each row execute function update_updated_at_column();

insert into users (clerk_user_id, display_name, years_until_retirement)
    values ('test_user_001', 'Test User', 25);
insert into instruments (symbol, name, instrument_type, current_price)
    values ('SPY', 'SPDR S&P 500 ETF Trust', 'etf', 450.25);
insert into accounts (id, clerk_user_id, account_name, cash_balance)
    values ('11111111-1111-4111-8111-111111111111', 'test_user_001', '401(k)',
            5000);
insert into positions (account_id, symbol, quantity)
    values ('11111111-1111-4111-8111-111111111111', 'SPY', 100);
insert into jobs (id, clerk_user_id, job_type, status, request_payload)
    values ('550e8400-e29b-41d4-a716-446655440001', 'test_user_001',
            'portfolio_analysis', 'completed', '{}'),
           ('550e8400-e29b-41d4-a716-446655440002', 'test_user_001',
            'portfolio_analysis', 'pending',
            '{"analysis_type": "portfolio", "options": {}}');
