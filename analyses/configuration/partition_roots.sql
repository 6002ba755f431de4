-- One row per table of $1, or the partitioned table that it belongs to: a right to
-- read that is one to read its parts. Read before dbt is started. $1: names, quoted.
select distinct
    n.nspname::text as schema_name,
    c.relname::text as relation_name,
    quote_ident(n.nspname) || '.' || quote_ident(c.relname) as table_name
from unnest($1::text[]) as named (table_name)
join pg_catalog.pg_class as part on part.oid = to_regclass(named.table_name)
join pg_catalog.pg_class as c on c.oid = coalesce(pg_catalog.pg_partition_root(part.oid), part.oid)
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
