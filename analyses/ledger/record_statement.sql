-- First before the statement is sent, as started, and again with how it ended.
-- $1: run_id. $2: position. $3: object. $4: statement. $5: attempts. $6: outcome.
insert into {{ ref('statements') }} as s (run_id, position, object_name, statement, attempts, outcome, finished_at)
values (
    $1,
    $2::integer,
    $3,
    $4,
    $5::integer,
    $6,
    case $6 when 'started' then null else clock_timestamp() end
)
on conflict (run_id, position) do update
    set
        statement = excluded.statement,
        attempts = excluded.attempts,
        outcome = excluded.outcome,
        finished_at = excluded.finished_at
