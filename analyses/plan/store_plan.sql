-- $1: hash. $2: header line. $3: run_id. No row: it is stored already.
insert into {{ ref('plans') }} (hash, header, run_id)
values ($1, $2, $3)
on conflict (hash) do nothing
returning hash
