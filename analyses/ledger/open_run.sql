-- No row where another run has this id already.
-- $1: run_id. $2: command. $3: version of Rollcall. $4: the approver, or null.
{{ open_run('$1', '$2', '$3', '$4') }}
on conflict do nothing
returning true as is_new
