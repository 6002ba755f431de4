-- The run ended by itself. $1: run_id. $2: what went wrong, or null.
update {{ ref('runs') }}
set
    finished_at = clock_timestamp(),
    failure = $2
where run_id = $1
