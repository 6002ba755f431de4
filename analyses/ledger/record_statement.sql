-- $1: run_id. $2: position. $3: object. $4: statement. $5: attempts. $6: outcome.
insert into {{ ref('statements') }} (run_id, position, object_name, statement, attempts, outcome)
values ($1, $2::integer, $3, $4, $5::integer, $6)
