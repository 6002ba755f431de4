-- Is the token still ours? Locks the row, so that nobody takes the lease while this batch commits. $1: token.
select l.token = $1::bigint as is_ours
from {{ ref('lease') }} as l
where l.name = 'pipeline'
for key share
