-- Who may do what.  Runs at every migration, after the functions.

-- Roles belong to the whole server: another database may have made them.
do $$
declare
    name text;
begin
    foreach name in array array['alex_worker', 'alex_submitter'] loop
        if not exists (select from pg_roles where rolname = name) then
            execute format('create role %I login', name);
        end if;
        -- Once: roles are the cluster's, and two databases may be migrated
        -- at the same time.
        if not exists (
            select from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
            where r.rolname = name and s.setdatabase = 0
              and s.setconfig @> array['statement_timeout=20s'])
        then
            execute format('alter role %I set statement_timeout = ''20s''',
                           name);
        end if;
    end loop;
end $$;

revoke all on schema fleet from public;
revoke all on all tables in schema fleet from public;
revoke all on all functions in schema fleet from public;
revoke all on all tables in schema fleet from alex_worker, alex_submitter;
revoke all on all functions in schema fleet from alex_worker, alex_submitter;
grant usage on schema fleet to alex_worker, alex_submitter;

grant execute on function
    fleet.claim(jsonb), fleet.read(jsonb), fleet.beat(jsonb),
    fleet.checkpoint(jsonb), fleet.settle(jsonb), fleet.reap(jsonb)
    to alex_worker;

grant execute on function
    fleet.submit(jsonb), fleet.cancel(jsonb), fleet.status(jsonb),
    fleet.show(jsonb), fleet.why(jsonb), fleet.portfolio(jsonb)
    to alex_submitter;
