-- One row: a digest of what the catalog says of the application's tables, without what Rollcall itself declares
-- (that is in the plan as statements). Read with an empty search path, so that names do not depend on it.
with recursive tables as (
    select
        c.oid,
        c.relname,
        c.relkind,
        c.relrowsecurity,
        c.relforcerowsecurity,
        c.relreplident
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = {{ literal(var('app_schema')) }}
        and c.relname in ({{ literals(app_table_names()) }})
),

-- the types of the columns, and those that their domains are made of
types as (
    select
        t.oid,
        t.typtype,
        t.typbasetype
    from pg_catalog.pg_type as t
    where t.oid in (
            select a.atttypid
            from pg_catalog.pg_attribute as a
            join tables as at on at.oid = a.attrelid
        )
    union
    select
        t.oid,
        t.typtype,
        t.typbasetype
    from types as d
    join pg_catalog.pg_type as t on t.oid = d.typbasetype
    where d.typtype = 'd'
),

facts as (
    select
        concat_ws(
            ' ', 'table', relname, relkind::text, relrowsecurity::text, relforcerowsecurity::text, relreplident::text
        ) as fact
    from tables

    union all

    select
        concat_ws(
            ' ', 'column', t.relname, quote_ident(a.attname), pg_catalog.format_type(a.atttypid, a.atttypmod),
            a.attnotnull::text, a.attidentity::text, a.attgenerated::text, pg_catalog.pg_get_expr(d.adbin, d.adrelid)
        ) as fact
    from tables as t
    join pg_catalog.pg_attribute as a on a.attrelid = t.oid
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attnum > 0
        and not a.attisdropped
        and not (
            t.relname = {{ literal(var('sessions_table')) }}
            and a.attname in ({{ literals([
                var('sessions_last_heartbeat_column'),
                var('sessions_device_connected_column'),
                var('sessions_max_concurrent_calls_column'),
            ]) }})
        )

    union all

    select
        concat_ws(
            ' ', 'labels', e.enumtypid::regtype::text, string_agg(e.enumlabel, ',' order by e.enumsortorder)
        ) as fact
    from pg_catalog.pg_enum as e
    where
        e.enumtypid in (select y.oid from types as y)
    group by e.enumtypid

    union all

    select
        concat_ws(
            ' ', 'domain', y.oid::regtype::text, pg_catalog.format_type(t.typbasetype, t.typtypmod),
            t.typnotnull::text, t.typdefault,
            (
                select string_agg(pg_catalog.pg_get_constraintdef(k.oid), ' ' order by k.conname)
                from pg_catalog.pg_constraint as k
                where k.contypid = y.oid
            )
        ) as fact
    from types as y
    join pg_catalog.pg_type as t on t.oid = y.oid
    where y.typtype = 'd'

    union all

    select
        concat_ws(
            ' ', 'constraint', t.relname, quote_ident(k.conname), pg_catalog.pg_get_constraintdef(k.oid)
        ) as fact
    from tables as t
    join pg_catalog.pg_constraint as k on k.conrelid = t.oid

    union all

    select concat_ws(' ', 'index', pg_catalog.pg_get_indexdef(i.indexrelid), i.indisvalid::text) as fact
    from tables as t
    join pg_catalog.pg_index as i on i.indrelid = t.oid
    join pg_catalog.pg_class as c on c.oid = i.indexrelid
    where c.relname not like 'rollcall\_%'

    union all

    select
        concat_ws(
            ' ', 'trigger', pg_catalog.pg_get_triggerdef(g.oid), g.tgenabled::text, md5(p.prosrc)
        ) as fact
    from tables as t
    join pg_catalog.pg_trigger as g on g.tgrelid = t.oid
    join pg_catalog.pg_proc as p on p.oid = g.tgfoid
    where not g.tgisinternal

    union all

    select
        concat_ws(
            ' ', 'policy', t.relname, p.polname, pg_catalog.pg_get_expr(p.polqual, p.polrelid),
            pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
        ) as fact
    from tables as t
    join pg_catalog.pg_policy as p on p.polrelid = t.oid
)

select
    pg_catalog.encode(
        pg_catalog.sha256(
            pg_catalog.convert_to(string_agg(fact, E'\n' order by fact collate "C"), 'UTF8')
        ),
        'hex'
    ) as fingerprint
from facts
