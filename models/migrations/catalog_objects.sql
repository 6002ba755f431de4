{{ config(tags='catalog') }}
-- One row per object of the application's tables and of their partitions: everything about it that a migration could
-- change, as text. What is the same before and after a migration was not changed by it.
with recursive tables as (
    select
        c.oid as table_id,
        n.nspname || '.' || c.relname as root
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = {{ literal(var('app_schema')) }}
        and c.relname in (
            {{ literals(app_table_names()) }}
        )

    union

    select
        i.inhrelid as table_id,
        t.root
    from tables as t
    join pg_catalog.pg_inherits as i on i.inhparent = t.table_id
),

relations as (
    select
        c.oid as table_id,
        t.root,
        n.nspname::text as schema_name,
        n.nspname || '.' || c.relname as relation,
        concat_ws(
            ' ',
            c.relkind,
            c.relpersistence,
            c.relowner::regrole,
            c.relacl::text,
            c.relrowsecurity,
            c.relforcerowsecurity,
            c.relreplident,
            c.reloptions::text,
            c.reltablespace,
            c.relispartition,
            pg_catalog.pg_get_expr(c.relpartbound, c.oid)
        ) as facts
    from tables as t
    join pg_catalog.pg_class as c on c.oid = t.table_id
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
),

objects as (
    select
        'table' as kind,
        r.root,
        r.relation,
        r.relation as name,
        r.facts
    from relations as r

    union all

    select
        'column' as kind,
        r.root,
        r.relation,
        a.attname::text as name,
        concat_ws(
            ' ',
            pg_catalog.format_type(a.atttypid, a.atttypmod),
            a.attnotnull,
            a.attidentity,
            a.attgenerated,
            a.attcollation,
            a.attstorage,
            a.attstattarget,
            a.attislocal,
            a.attinhcount,
            a.attacl::text,
            pg_catalog.pg_get_expr(d.adbin, d.adrelid)
        ) as facts
    from relations as r
    join pg_catalog.pg_attribute as a on a.attrelid = r.table_id
    left join pg_catalog.pg_attrdef as d
        on d.adrelid = a.attrelid
            and d.adnum = a.attnum
    where a.attnum > 0
        and not a.attisdropped

    union all

    select
        'comment' as kind,
        r.root,
        r.relation,
        coalesce(a.attname::text, 'of the table') as name,
        c.description as facts
    from relations as r
    join pg_catalog.pg_description as c
        on c.objoid = r.table_id
            and c.classoid = 'pg_catalog.pg_class'::regclass
    left join pg_catalog.pg_attribute as a
        on a.attrelid = c.objoid
            and a.attnum = c.objsubid
            and c.objsubid > 0

    union all

    select
        'index' as kind,
        r.root,
        n.nspname::text as relation,
        c.relname::text as name,
        concat_ws(
            ' ',
            pg_catalog.pg_get_indexdef(i.indexrelid),
            i.indisvalid,
            i.indisready,
            i.indisreplident,
            i.indisclustered,
            c.relowner::regrole,
            c.reloptions::text,
            pg_catalog.obj_description(c.oid, 'pg_class')
        ) as facts
    from relations as r
    join pg_catalog.pg_index as i on i.indrelid = r.table_id
    join pg_catalog.pg_class as c on c.oid = i.indexrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace

    union all

    select
        'constraint' as kind,
        r.root,
        r.relation,
        k.conname::text as name,
        concat_ws(' ', pg_catalog.pg_get_constraintdef(k.oid), k.convalidated) as facts
    from relations as r
    join pg_catalog.pg_constraint as k on k.conrelid = r.table_id

    union all

    select
        'trigger' as kind,
        r.root,
        r.relation,
        g.tgname::text as name,
        concat_ws(' ', pg_catalog.pg_get_triggerdef(g.oid), g.tgenabled) as facts
    from relations as r
    join pg_catalog.pg_trigger as g on g.tgrelid = r.table_id

    union all

    select
        'policy' as kind,
        r.root,
        r.relation,
        p.polname::text as name,
        concat_ws(
            ' ',
            p.polcmd,
            p.polpermissive,
            p.polroles::text,
            pg_catalog.pg_get_expr(p.polqual, p.polrelid),
            pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
        ) as facts
    from relations as r
    join pg_catalog.pg_policy as p on p.polrelid = r.table_id

    union all

    select
        'publication' as kind,
        r.root,
        r.relation,
        p.pubname::text as name,
        '' as facts
    from relations as r
    join pg_catalog.pg_publication_rel as m on m.prrelid = r.table_id
    join pg_catalog.pg_publication as p on p.oid = m.prpubid

    union all

    select
        'rule' as kind,
        r.root,
        r.relation,
        w.rulename::text as name,
        pg_catalog.pg_get_ruledef(w.oid) as facts
    from relations as r
    join pg_catalog.pg_rewrite as w on w.ev_class = r.table_id

    union all

    select
        'statistics' as kind,
        r.root,
        r.relation,
        x.stxname::text as name,
        pg_catalog.pg_get_statisticsobjdef(x.oid) as facts
    from relations as r
    join pg_catalog.pg_statistic_ext as x on x.stxrelid = r.table_id
)

select
    kind,
    root,
    relation,
    name,
    facts
from objects
