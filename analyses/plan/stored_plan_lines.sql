-- A page of the lines of a stored plan. $1: hash. $2: after this position. $3: how many.
select
    position,
    line
from {{ ref('plan_lines') }}
where hash = $1
    and position > $2::bigint
order by position
limit $3::integer
