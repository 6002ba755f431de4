-- The objects that our runs began to make, and that may be unfinished for that reason.
select distinct s.object_name
from {{ ref('statements') }} as s
where s.outcome in ('started', 'done')
    or s.outcome like 'unfinished: %'
