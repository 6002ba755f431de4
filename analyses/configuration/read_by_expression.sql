-- The plan of an expression over a table, view or relation: it names each table that is read. Nothing is executed.
-- The vars relation, alias, expression and type are SQL. Read before dbt is started.
explain (verbose, costs off, format json)
select ({{ var('expression', 'true') }})::{{ var('type', 'boolean') }}
from {{ var('relation', 'pg_catalog.pg_class') }} as {{ var('alias', 'agent') }}
