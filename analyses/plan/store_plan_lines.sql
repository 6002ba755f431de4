-- $1: hash. $2: position of the first line. $3: lines.
insert into {{ ref('plan_lines') }} (hash, position, line)
select
    $1 as hash,
    $2::bigint + l.position - 1 as position,
    l.line
from unnest($3::text[]) with ordinality as l (line, position)
