-- What is remembered of tasks that died: what each replay was for, and which of
-- them nobody wants to see again.

-- 'batch' is the command that asked, so that its call may be repeated; the
-- rest is the death that was replayed, which the task itself forgets.
alter table fleet.replays
    add column if not exists batch uuid,
    add column if not exists state text,
    add column if not exists error jsonb,
    add column if not exists died_at timestamptz;
create index if not exists replays_task_id on fleet.replays (task_id);

-- A death that has been dismissed; another death of the task has another fence.
create table if not exists fleet.dismissals (
    task_id uuid primary key,
    job_id uuid not null,
    fence bigint not null,
    at timestamptz not null default clock_timestamp(),
    by text not null
);

-- It takes more arguments now.
drop function if exists fleet.reopen(uuid[], text, boolean);
