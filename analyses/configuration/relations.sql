-- One row per relation of the database that a name in the configuration could mean. Read before dbt is started.
select
    n.nspname::text as schema_name,
    c.relname::text as relation_name,
    case c.relkind
        when 'v' then 'a view'
        when 'm' then 'a materialized view'
        when 'f' then 'a foreign table'
        else 'a table'
    end as kind
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f')
    and not c.relispartition
    and n.nspname not in ('pg_catalog', 'pg_toast', 'information_schema', 'rollcall', 'rollcall_ops')
    and n.nspname not like 'pg\_temp%'
order by n.nspname, c.relname
