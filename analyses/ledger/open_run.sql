-- $1: run_id. $2: command. $3: version of Rollcall. $4: the approver, or null.
insert into {{ ref('runs') }} (run_id, command, rollcall_version, approved_by, digests_images)
values ($1, $2, $3, $4, true)
