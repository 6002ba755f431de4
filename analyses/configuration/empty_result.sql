-- The columns of a `{sql}` relation, and no row of it. The var `relation`: its SQL. Read before dbt is started.
select *
from ({{ var('relation', 'select 1 as one') }}) as relation
where false
