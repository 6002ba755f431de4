-- One row per foreign view on the application's tables, and per rewrite rule of such a table that
-- does not rewrite what we write.
select distinct
    'dependent_view' as finding,
    format(
        '%s %I.%I reads %s',
        case v.relkind when 'm' then 'materialized view' else 'view' end,
        n.nspname,
        v.relname,
        t.table_name
    ) as found,
    null as statement
from {{ ref('watched_tables') }} as t
join pg_catalog.pg_depend as d
    on d.refclassid = 'pg_catalog.pg_class'::regclass
        and d.refobjid = t.table_oid
        and d.classid = 'pg_catalog.pg_rewrite'::regclass
join pg_catalog.pg_rewrite as r on r.oid = d.objid
join pg_catalog.pg_class as v
    on v.oid = r.ev_class
        and v.relkind in ('v', 'm')
join pg_catalog.pg_namespace as n on n.oid = v.relnamespace
where n.nspname not in ('rollcall', 'rollcall_ops')
union all
select distinct
    'other_rule' as finding,
    format(
        '%I on %s, on %s',
        r.rulename,
        t.table_name,
        case r.ev_type when '2' then 'update' when '3' then 'insert' else 'delete' end
    ) as found,
    null as statement
from {{ ref('watched_tables') }} as t
join pg_catalog.pg_rewrite as r on r.ev_class = t.table_oid
where r.ev_enabled in ('O', 'A')
    and r.ev_type in ('2', '3', '4')
    and not (
        r.ev_type = '2'
        and t.table_oid in (
            select s.table_oid
            from {{ ref('watched_tables') }} as s
            where s.part = 'sessions'
        )
    )
order by finding, found
