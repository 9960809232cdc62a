-- Extends the leases a supervisor really holds; takes back, uncharged, those it
-- does not know of.  See README.md.
--
-- Locks tasks, and only free ones: a held task whose row is locked is being
-- settled or cancelled, and answers ok.
create or replace function fleet.beat(request jsonb)
returns table (head text, body text)
language plpgsql security definer
set search_path = fleet, public, pg_temp
set lock_timeout = '5s'
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    shape constant jsonb := '{"owner": "uuid", "lease_ms": "int 1000 3600000",
        "held": [0, 10000, {"task": "uuid", "fence": "int 1 1e18",
                            "progress?": "any"}],
        "flight?": [0, 10000, "uuid"], "older_ms?": "int 0 3600000"}';
    now constant timestamptz := clock_timestamp();
    most constant integer := 10000;
    owner_id uuid;
    lease interval;
    held_task uuid[];
    held_fence bigint[];
    held_progress jsonb[];
    flight uuid[];
    replies text[];
    returned text[];
begin
    perform fleet.require('beat', request, shape);
    owner_id := request ->> 'owner';
    lease := (request ->> 'lease_ms')::integer * interval '1 ms';
    select array_agg((h ->> 'task')::uuid), array_agg((h ->> 'fence')::bigint),
           array_agg(h -> 'progress')
    into held_task, held_fence, held_progress
    from jsonb_array_elements(request -> 'held') as e(h);
    select array_agg(f::uuid) into flight
    from jsonb_array_elements_text(coalesce(request -> 'flight', '[]')) e(f);

    -- As in claim: an extension lost in a crash ends a lease early, and the
    -- fence covers that.
    perform set_config('synchronous_commit', 'off', true);

    with held as materialized (
        select * from unnest(held_task, held_fence, held_progress)
            as u(task, fence, progress)
        limit most
    ), free as materialized (
        select t.id, h.progress
        from held h
        join fleet.tasks t on t.id = h.task
        where t.fence = h.fence and t.lease_owner = owner_id
          and t.state = 'leased'
        for no key update of t skip locked
    ), extended as (
        update fleet.tasks t
        set lease_until = now + lease,
            -- What a handler says of itself must not fail everybody's beat.
            progress = case when jsonb_typeof(f.progress) = 'object'
                             and octet_length(f.progress::text) <= 4096
                            then f.progress else t.progress end
        from free f
        where t.id = f.id
    )
    select array_agg(jsonb_build_object(
        'task', h.task, 'fence', h.fence,
        'verdict', case
            when t.id is null then 'lost'
            when r.state <> 'open' or r.deadline_at <= now then 'cancel'
            else 'ok' end,
        'watched', coalesce(r.watched_until > now, false))::text)
    into replies
    from held h
    left join fleet.tasks t
        on t.id = h.task and t.fence = h.fence and t.lease_owner = owner_id
       and t.state = 'leased'
    left join fleet.runs r on r.job_id = t.job_id;

    returned := fleet.hand_back(owner_id, held_task, held_fence, flight,
        now - coalesce((request ->> 'older_ms')::integer, 0)
              * interval '1 ms');
    return query select jsonb_build_object(
        'wake_ms', fleet.wake(case when held_task is null then 60000
                                   else (request ->> 'lease_ms')::bigint end),
        'returned', coalesce(cardinality(returned), 0),
        'ring', coalesce(returned::jsonb[], '{}'))::text, null::text;
    return query select u.h, null::text from unnest(replies) as u(h);
end $$;

-- Finds an owner's leases that it neither holds nor has asked for just now (the
-- reply that named them never arrived) and makes them ready.  There is no index
-- by owner, which every claim and settle would pay for: this looks through the
-- leased tasks of a window of open runs; what lies outside waits for a later
-- beat, or for its lease to end.  Only what was claimed by 'before': this beat
-- may be one that its sender gave up on, read late by a server that stood still,
-- and then it knows nothing of the claims since.
create or replace function fleet.hand_back(
    owner_id uuid, held_task uuid[], held_fence bigint[], flight uuid[],
    before timestamptz)
returns text[] language plpgsql as $$
declare
    now constant timestamptz := clock_timestamp();
    bells text[];
begin
    with lost as materialized (
        select t.id
        from fleet.going(2000) w
        join fleet.tasks t on t.job_id = w.job_id
        where t.state = 'leased' and t.lease_owner = owner_id
          and t.claimed_at <= before
          and t.nonce <> all(coalesce(flight, '{}'))
          and not exists (
              select from unnest(held_task, held_fence) as h(task, fence)
              where h.task = t.id and h.fence = t.fence)
        for no key update of t skip locked
    ), back as (
        update fleet.tasks t
        set state = 'ready', since = now, rung_at = now, rings = 0,
            interruptions = t.interruptions + 1
        from lost l
        where t.id = l.id
        returning t
    ), event as (
        insert into fleet.events (job_id, task_id, generation, kind, fence)
        select (t).job_id, (t).id, (t).generation, 'returned', (t).fence
        from back
    )
    select array_agg(fleet.bell(b.t, r.trace)) into bells
    from back b
    join fleet.runs r on r.job_id = (b.t).job_id;
    return bells;
end $$;
