-- One row per column of each table and view that the login role may read, with what a mapping needs to know of it. Read
-- before dbt is started.
select
    n.nspname::text as schema_name,
    c.relname::text as relation_name,
    a.attname::text as column_name,
    a.attnotnull as is_not_null,
    c.oid::bigint as relation_oid,
    c.relkind = any('{r,p}') as is_table,
    pg_catalog.format_type(coalesce(nullif(t.typbasetype, 0), t.oid), null) as column_type,
    (
        select json_agg(e.enumlabel order by e.enumsortorder)
        from pg_catalog.pg_enum as e
        where e.enumtypid = coalesce(nullif(t.typbasetype, 0), t.oid)
    )::text as enum_labels,
    -- the texts of the column's default and of its CHECK constraints: statuses that no row may have yet
    to_json(array(
        select distinct found.texts[1]
        from (
            select pg_catalog.pg_get_expr(d.adbin, d.adrelid) as definition
            from pg_catalog.pg_attrdef as d
            where d.adrelid = c.oid
                and d.adnum = a.attnum
            union all
            select pg_catalog.pg_get_constraintdef(k.oid) as definition
            from pg_catalog.pg_constraint as k
            where k.contype = 'c'
                and k.conrelid = c.oid
                and k.conkey = array[a.attnum]
        ) as known
        cross join lateral regexp_matches(known.definition, '''([^'']+)''', 'g') as found (texts)
        order by found.texts[1]
    ))::text as named_values,
    exists(
        select 1
        from pg_catalog.pg_index as i
        where i.indrelid = c.oid
            and i.indisunique
            and i.indpred is null
            and i.indnkeyatts = 1
            and i.indkey[0] = a.attnum
    ) as is_key,
    (
        select k.confrelid::bigint
        from pg_catalog.pg_constraint as k
        where k.contype = 'f'
            and k.conrelid = c.oid
            and k.conkey = array[a.attnum]
        order by k.oid asc
        limit 1
    ) as referred_oid
from pg_catalog.pg_attribute as a
join pg_catalog.pg_class as c on c.oid = a.attrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
join pg_catalog.pg_type as t on t.oid = a.atttypid
where c.relkind in ('r', 'p', 'v', 'm')
    and not c.relispartition
    and a.attnum > 0
    and not a.attisdropped
    and n.nspname not in ('pg_catalog', 'pg_toast', 'information_schema', 'rollcall', 'rollcall_ops')
    and n.nspname not like 'pg\_temp%'
    and pg_catalog.has_schema_privilege(n.oid, 'usage')
order by n.nspname, c.relname, a.attnum
