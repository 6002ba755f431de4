-- Is the token still ours? Locks the row in a mode that conflicts with taking the lease (`for key share` does not), so
-- that no other run takes it while this batch commits. $1: token.
select l.token = $1::bigint as is_ours
from {{ ref('lease') }} as l
where l.name = 'pipeline'
for share
