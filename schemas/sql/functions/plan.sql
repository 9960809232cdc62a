-- Tasks that a task plans: settle's key "plan".

-- The items of all plans among the outcomes, one row each.
create or replace function fleet.plan_items(outcomes fleet.outcome[])
returns table (job uuid, parent uuid, parent_node text, generation integer,
               ord bigint, item jsonb, node text, needs text[])
language plpgsql stable rows 100 as $$
#variable_conflict use_column
begin
    return query
    select o.job, o.task, t.node, t.generation, e.ord, e.item, e.item ->> 'node',
           case when jsonb_typeof(e.item -> 'needs') = 'array' then array(
               select n from jsonb_array_elements_text(e.item -> 'needs')
                   with ordinality as u(n, at)
               group by n order by min(at)) else '{}' end
    from (select * from unnest(outcomes) limit 100) o
    join fleet.tasks t on t.id = o.task
    cross join lateral jsonb_array_elements(
        case when jsonb_typeof(o.output -> 'plan') = 'array'
             then o.output -> 'plan' else '[]' end) with ordinality
        as e(item, ord)
    where o.output ? 'plan' and o.outcome = 'succeeded';
end $$;

-- {task: error} for every plan that can't be carried out.  A node's needs come
-- before it in the array: then there is no circle, and every task ends.
create or replace function fleet.bad_plans(outcomes fleet.outcome[])
returns jsonb language plpgsql as $$
#variable_conflict use_column
begin
    return (
        with item as materialized (
            select * from fleet.plan_items(outcomes)
        ), place as materialized (
            select parent, jsonb_object_agg(coalesce(node, ''), ord) as of_node
            from item group by parent
        ), fault as (
            select i.parent, i.ord, case
                when fleet.complaint(i.item, '{"node": "name",
                        "agent": "name", "needs?": [0, 1000, "text 1 59"],
                        "required?": "bool", "params?": "object 65536"}',
                        format('plan[%s]', i.ord - 1)) is not null
                    then fleet.complaint(i.item, '{"node": "name",
                        "agent": "name", "needs?": [0, 1000, "text 1 59"],
                        "required?": "bool", "params?": "object 65536"}',
                        format('plan[%s]', i.ord - 1))
                when i.node = i.parent_node
                    or (p.of_node -> i.node)::bigint <> i.ord
                    then format('plan[%s].node %s is not unique', i.ord - 1,
                                i.node)
                when exists (
                    select from unnest(i.needs) as u(n)
                    where n <> i.parent_node
                      and coalesce((p.of_node -> n)::bigint, i.ord) >= i.ord)
                    then format('plan[%s].needs names what does not come '
                                'before it', i.ord - 1)
                end as text
            from item i
            join place p on p.parent = i.parent
            union all
            select task, 0, 'plan must be an array of at most 1000 items'
            from unnest(outcomes)
            where output ? 'plan'
              and case when jsonb_typeof(output -> 'plan') = 'array'
                       then jsonb_array_length(output -> 'plan') > 1000
                       else true end
        )
        select coalesce(jsonb_object_agg(parent, jsonb_build_object(
                   'class', 'bad_plan', 'text', text)), '{}')
        from (select distinct on (parent) parent, text from fault
              where text is not null order by parent, ord) f);
end $$;

-- Inserts what the tasks that succeeded have planned.  Answers the job of each
-- inserted task.
create or replace function fleet.plan(
    outcomes fleet.outcome[], moved fleet.move[])
returns uuid[] language plpgsql as $$
#variable_conflict use_column
declare
    now constant timestamptz := clock_timestamp();
    added uuid[];
begin
    with item as materialized (
        select i.*, uuid_generate_v5(i.job, i.node) as id,
               array_remove(i.needs, i.parent_node) as waits
        from fleet.plan_items(outcomes) i
        where i.parent = any(array(
            select id from unnest(moved) where state = 'succeeded'))
    ), feed as (
        select i.parent, n.node, array_agg(i.id order by i.ord) as ids
        from item i
        cross join lateral unnest(i.waits) as n(node)
        group by i.parent, n.node
    ), task as (
        insert into fleet.tasks (id, job_id, parent, generation, node, agent,
                                 needs, feeds, unmet, required, params, state,
                                 rung_at)
        select i.id, i.job, i.parent, i.generation, i.node, i.item ->> 'agent', i.needs,
               coalesce(f.ids, '{}'), cardinality(i.waits),
               coalesce((i.item -> 'required')::boolean, true),
               coalesce(nullif(i.item -> 'params', 'null'), '{}'),
               case when i.waits = '{}' then 'ready' else 'blocked' end, now
        from item i
        left join feed f on f.parent = i.parent and f.node = i.node
    ), parent as (
        update fleet.tasks t
        set feeds = p.ids
        from (select parent, array_agg(id order by ord) as ids
              from item where waits = '{}' group by parent) p
        where t.id = p.parent
    )
    select array_agg(job) into added from item;
    return coalesce(added, '{}');
end $$;
