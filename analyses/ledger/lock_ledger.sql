-- One row: the statement that locks the tables of our ledger as a write does, so that a change of their definition that
-- another transaction has begun is waited for, and seen. $1: names of our relations, `schema.relation`.
select
    'lock table ' || string_agg(format('%I.%I', n.nspname, c.relname), ', ' order by c.relname)
    || ' in row exclusive mode' as statement
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname = {{ literal(ref('runs').schema) }}
    and n.nspname || '.' || c.relname = any($1::text[])
    and c.relkind in ('r', 'p')
    and pg_catalog.has_schema_privilege(n.oid, 'usage')
    and pg_catalog.has_table_privilege(c.oid, 'insert, update, delete')
