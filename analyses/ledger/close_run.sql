-- The run ended by itself. $1: run_id. $2: what went wrong, or null. Keeps the digest over all its images with the run.
update {{ ref('runs') }}
set
    finished_at = clock_timestamp(),
    failure = $2,
    images_digest = ({{ chained_digest('$1') }})
where run_id = $1
