{{ config(tags='catalog') }}
-- One row per view, index, default and column of ours that refers to a function, an operator or a type that neither
-- PostgreSQL nor the application's own columns bring: what is planted there runs with the rights of each reader or
-- writer. $1: the roles that act beside the login role, or null.
with foreign_references as (
    {{ foreign_references('$1') }}
),

tables as (
    select
        c.oid as table_id,
        n.nspname,
        c.relname,
        n.nspname in ('rollcall', 'rollcall_ops') as is_ours
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where (n.nspname in ('rollcall', 'rollcall_ops') and c.relkind in ('r', 'p', 'v', 'm', 'f'))
        or (
            n.nspname = {{ literal(var('app_schema')) }}
            and c.relname in ({{ literals([var('sessions_table'), var('calls_table')] | select('string') | list) }})
        )

    union

    select
        c.oid as table_id,
        n.nspname,
        c.relname,
        false as is_ours
    from pg_catalog.pg_class as root
    join pg_catalog.pg_namespace as s on s.oid = root.relnamespace
    cross join lateral pg_catalog.pg_partition_tree(root.oid) as tree
    join pg_catalog.pg_class as c on c.oid = tree.relid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where s.nspname = {{ literal(var('app_schema')) }}
        and root.relname in ({{ literals([var('sessions_table'), var('calls_table')] | select('string') | list) }})
        and root.relkind = 'p'
),

declared_columns as (
    select
        t.table_id,
        t.nspname,
        t.relname,
        t.is_ours,
        a.attname,
        a.attnum
    from tables as t
    join pg_catalog.pg_attribute as a on a.attrelid = t.table_id
    where a.attnum > 0
        and not a.attisdropped
        and (
            t.is_ours
            or (
                a.attname in ({{ literals([
                    var('sessions_last_heartbeat_column'),
                    var('sessions_device_connected_column'),
                    var('sessions_max_concurrent_calls_column'),
                ]) }})
                -- a column that the application had before, with a type of its own, is a conflict and not a danger
                and pg_catalog.col_description(t.table_id, a.attnum) like '%Added by Rollcall.'
            )
        )
),

-- once, and not again for each reference of the catalog
objects as materialized (
    select
        'pg_catalog.pg_rewrite'::regclass as class_oid,
        w.oid as object_oid,
        null::integer as sub_id,
        t.table_id,
        t.nspname || '.' || t.relname as created_name,
        format('view %I.%I', t.nspname, t.relname) as object_name
    from tables as t
    join pg_catalog.pg_rewrite as w on w.ev_class = t.table_id
    where t.is_ours

    union all

    select
        'pg_catalog.pg_class'::regclass as class_oid,
        i.indexrelid as object_oid,
        null as sub_id,
        t.table_id,
        n.nspname || '.' || c.relname as created_name,
        format('index %I.%I', n.nspname, c.relname) as object_name
    from tables as t
    join pg_catalog.pg_index as i on i.indrelid = t.table_id
    join pg_catalog.pg_class as c on c.oid = i.indexrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where t.is_ours
        or c.relname like 'rollcall\_%'

    union all

    select
        'pg_catalog.pg_attrdef'::regclass as class_oid,
        f.oid as object_oid,
        null as sub_id,
        d.table_id,
        d.nspname || '.' || d.relname as created_name,
        format('default of %I.%I.%I', d.nspname, d.relname, d.attname) as object_name
    from declared_columns as d
    join pg_catalog.pg_attrdef as f
        on f.adrelid = d.table_id
            and f.adnum = d.attnum

    union all

    select
        'pg_catalog.pg_class'::regclass as class_oid,
        d.table_id as object_oid,
        d.attnum as sub_id,
        d.table_id,
        d.nspname || '.' || d.relname as created_name,
        format('column %I.%I.%I', d.nspname, d.relname, d.attname) as object_name
    from declared_columns as d
    join tables as t on t.table_id = d.table_id
    join pg_catalog.pg_class as c on c.oid = d.table_id
    where c.relkind in ('r', 'p', 'f')

    union all

    select
        'pg_catalog.pg_constraint'::regclass as class_oid,
        k.oid as object_oid,
        null as sub_id,
        t.table_id,
        t.nspname || '.' || t.relname as created_name,
        format('constraint %I of %I.%I', k.conname, t.nspname, t.relname) as object_name
    from tables as t
    join pg_catalog.pg_constraint as k on k.conrelid = t.table_id
    where t.is_ours
)

select distinct
    o.table_id,
    o.created_name,
    t.nspname || '.' || t.relname as relation_name,
    o.object_name || ' uses ' || r.described as found
from objects as o
join tables as t on t.table_id = o.table_id
join foreign_references as r
    on r.class_oid = o.class_oid
        and r.object_oid = o.object_oid
        and r.sub_id = coalesce(o.sub_id, r.sub_id)
order by found
