-- What the fleet adds: columns on Alex's tables, and schema fleet.

alter table public.instruments
    add column if not exists price_source varchar(100),
    add column if not exists price_as_of timestamptz,
    add column if not exists allocation_source varchar(100),
    add column if not exists allocation_rationale text;

-- The id a broker's export gives an account.
alter table public.accounts add column if not exists import_key varchar(255);
create unique index if not exists accounts_import_key
    on public.accounts (clerk_user_id, import_key);

-- With an index on its status no update of a job is heap-only: measured, that
-- costs half the throughput of small jobs, and nothing reads jobs by status.
do $$
declare
    found regclass;
begin
    for found in
        select i.indexrelid::regclass from pg_index i
        join pg_attribute a on a.attrelid = i.indrelid
                           and a.attnum = i.indkey[0]
        where i.indrelid = 'public.jobs'::regclass
          and a.attname = 'status' and i.indnatts = 1 and not i.indisunique
    loop
        execute format('drop index %s', found);
    end loop;
end $$;
-- Room on the page for a row to grow from pending to completed.
alter table public.jobs set (fillfactor = 35);
-- For adopting jobs that upstream wrote and never announced.
create index if not exists jobs_created_at
    on public.jobs using brin (created_at) with (pages_per_range = 32);

create schema if not exists fleet;

-- No foreign keys and checks here: they cost a fifth of the throughput, and
-- fleet.fsck says what they would have said.  fillfactor 50 keeps updates
-- heap-only.

create table if not exists fleet.runs (
    job_id uuid primary key,
    root_task uuid not null,
    generation integer not null default 1,
    state text not null default 'open',  -- open completed failed cancelled
    open integer not null,               -- tasks not yet terminal
    bad integer not null default 0,  -- required ones that ended without success
    payload_bytes integer not null default 0,  -- of results for its jobs row
    snapshot boolean not null default true,  -- the root task wants a portfolio
    trace text,
    deadline_at timestamptz not null,
    deadline_ms bigint not null,
    watched_until timestamptz,
    ended_at timestamptz            -- when open became 0
) with (fillfactor = 50);
-- Its predicate changes once in a run's life, so counters stay heap-only.
create index if not exists runs_going on fleet.runs (job_id)
    where ended_at is null;

create table if not exists fleet.tasks (
    id uuid primary key,            -- uuid_v5(job_id, node)
    job_id uuid not null,
    parent uuid,                    -- the task that planned it; null: the root
    generation integer not null default 1,   -- of its run, when last opened
    node text not null,
    agent text not null,
    needs text[] not null default '{}',      -- nodes
    feeds uuid[] not null default '{}',      -- tasks its end may make ready
    unmet integer not null default 0,
    required boolean not null default true,
    params jsonb not null default '{}',
    state text not null,            -- see README.md
    fence bigint not null default 0,          -- raised by every claim
    settled_fence bigint not null default 0,  -- of the last applied outcome
    nonce uuid,                               -- of the claim that holds it
    failures integer not null default 0,
    crashes integer not null default 0,
    losses integer not null default 0,
    interruptions integer not null default 0,
    deferrals integer not null default 0,
    lease_owner uuid,               -- stays when the lease ends: the last one
    lease_until timestamptz,
    next_run_at timestamptz,
    rung_at timestamptz,
    rings integer not null default 0,         -- by reap, since it was ready
    claimed_at timestamptz,
    since timestamptz not null default clock_timestamp(),  -- in this state
    error jsonb,                    -- {"class","text"} of the last failure
    usage jsonb,
    progress jsonb
) with (fillfactor = 50);
create index if not exists tasks_job_id on fleet.tasks (job_id);
-- A long list must not travel with every update of its row.
alter table fleet.tasks alter column needs set storage external;
alter table fleet.tasks alter column feeds set storage external;

create table if not exists fleet.inputs (
    job_id uuid primary key,
    snapshot text not null
);

create table if not exists fleet.results (
    task_id uuid primary key,
    job_id uuid not null,
    fence bigint not null,
    output jsonb not null
);

create table if not exists fleet.checkpoints (
    task_id uuid,
    ordinal integer,
    sha256 text,
    answer text not null,
    primary key (task_id, ordinal, sha256)
);

-- Append only and without an index, which every transition would pay for: prune
-- reads it from its old end, fsck as a whole.
create table if not exists fleet.events (
    at timestamptz not null default clock_timestamp(),
    job_id uuid not null,
    task_id uuid,                   -- null: of the job
    generation integer not null,
    kind text not null,
    fence bigint,
    note text
);

create table if not exists fleet.replays (
    at timestamptz not null default clock_timestamp(),
    job_id uuid not null,
    task_id uuid not null,
    generation integer not null,    -- the one it opened
    fence bigint not null,          -- the last of the try before
    by text not null,
    fresh boolean not null
);
create index if not exists replays_job_id on fleet.replays (job_id);

-- What submit is told about one job, settle about one task; and a task that has
-- just changed its state.
do $$
begin
    if to_regtype('fleet.submission') is null then
        create type fleet.submission as (
            job uuid,
            user_id text,
            type text,
            asked jsonb,
            trace text,
            deadline_ms bigint,
            agent text,
            node text,
            params jsonb,
            snapshot boolean
        );
    end if;
    if to_regtype('fleet.outcome') is null then
        create type fleet.outcome as (
            job uuid,
            task uuid,
            fence bigint,
            outcome text,
            after_ms bigint,
            error jsonb,
            usage jsonb,
            output jsonb
        );
    end if;
    if to_regtype('fleet.move') is null then
        create type fleet.move as (
            id uuid,
            job_id uuid,
            feeds uuid[],
            required boolean,
            state text
        );
    end if;
end $$;
