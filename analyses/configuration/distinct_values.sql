-- The most frequent values of a column in a bounded number of rows, with their counts. `relation` and `column`: SQL.
-- $1: how many rows are read. $2: how many values are shown. Read before dbt is started.
select
    s.value,
    count(*) as rows
from (
    select {{ column | default("relname") }}::text as value
    from {{ relation | default("pg_catalog.pg_class") }}
    limit $1::bigint -- noqa: AM09
) as s
where s.value is not null
group by s.value
order by count(*) desc, s.value asc
limit $2::integer
