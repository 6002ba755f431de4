-- A value of a column as PostgreSQL would store it, which is an error where its type or its domain refuses it. The var
-- `type` is SQL. $1: the value as text. Read before dbt is started.
select cast($1 as {{ var('type', 'text') }}) as stored
