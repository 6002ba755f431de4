-- What an undo would do with these sessions. $1: run_id of the run to undo. $2: keys, as text.
-- One row per session: why it would be left alone, or null.
with {{ undo_verdicts('$1', '$2') }}

select
    i.session_id::text as session_id,
    case when v.session_id is null then 'no longer in the table' else v.reason end as reason
from images as i
left join verdicts as v on v.session_id = i.session_id
