-- $1: run_id. $2: command. $3: version of Rollcall. $4: the approver, or null.
{{ open_run('$1', '$2', '$3', '$4') }}
