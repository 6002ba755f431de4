-- Whether a CHECK constraint takes a value of its column; like PostgreSQL it takes what is unknown. The vars
-- expression, column and type are SQL. $1: the value as text. Read before dbt is started.
select ({{ var('expression', 'true') }}) is not false as is_taken
from (select cast($1 as {{ var('type', 'text') }}) as {{ var('column', 'status') }}) as candidate
