-- One run of the command flags, over as soon as it is recorded; no row where another run has this id already.
-- $1: run_id. $2: version of Rollcall. $3: which flag was switched to what, by which person and why.
insert into {{ ref('runs') }} (run_id, command, rollcall_version, approved_by, finished_at)
values ($1, 'flags', $2, $3, clock_timestamp())
on conflict do nothing
returning true as is_new
