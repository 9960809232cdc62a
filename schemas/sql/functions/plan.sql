-- Tasks that a task plans: settle's key "plan".

-- The items of all plans among the outcomes, one row each.  'fine': the item has
-- the right shape.
create or replace function fleet.plan_items(outcomes fleet.outcome[])
returns table (parent uuid, job uuid, parent_node text, generation integer,
               ord integer, item jsonb, fine boolean, node text, needs text[])
language plpgsql stable rows 100 as $$
#variable_conflict use_column
begin
    return query
    select o.task, o.job, t.node, t.generation, e.ord::integer, e.item,
           coalesce(jsonb_typeof(e.item) = 'object'
               and jsonb_typeof(e.item -> 'node') = 'string'
               and fleet.is_name(e.item ->> 'node')
               and jsonb_typeof(e.item -> 'agent') = 'string'
               and fleet.is_agent(e.item ->> 'agent')
               and coalesce(jsonb_typeof(e.item -> 'required'), 'null')
                   in ('boolean', 'null')
               and coalesce(jsonb_typeof(e.item -> 'params'), 'null')
                   in ('object', 'null')
               and octet_length(e.item::text) <= 65536
               and case coalesce(jsonb_typeof(e.item -> 'needs'), 'null')
                   when 'null' then true
                   when 'array' then jsonb_array_length(e.item -> 'needs')
                                     <= 1000
                   end, false),
           e.item ->> 'node',
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
declare
    shape constant jsonb := '{"node": "name", "agent": "agent",
        "needs?": [0, 1000, "any"], "required?": "bool",
        "params?": "object 65000"}';
begin
    return (
        with item as materialized (
            select * from fleet.plan_items(outcomes)
        ), place as materialized (
            select parent, array_agg(node order by ord) as nodes
            from item group by parent
        ), fault as (
            select i.parent, i.ord, case
                when not i.fine then coalesce(
                    fleet.complaint(i.item, shape,
                                    format('plan[%s]', i.ord - 1)),
                    format('plan[%s] is over 64 KB', i.ord - 1))
                when i.node = i.parent_node
                    or array_position(p.nodes, i.node) <> i.ord
                    then format('plan[%s].node %s is not unique', i.ord - 1,
                                i.node)
                when i.needs <> '{}' and exists (
                    select from unnest(i.needs) as u(n)
                    where n <> i.parent_node
                      and coalesce(array_position(p.nodes, n), i.ord)
                          >= i.ord)
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
        where i.waits <> '{}'
        group by i.parent, n.node
    ), task as (
        insert into fleet.tasks (id, job_id, parent, generation, node, agent,
                                 needs, feeds, unmet, required, params, state,
                                 rung_at)
        select i.id, i.job, i.parent, i.generation, i.node, i.item ->> 'agent',
               i.needs, coalesce(f.ids, '{}'), cardinality(i.waits),
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
