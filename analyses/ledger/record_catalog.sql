-- $1: run_id. $2: moment (before or after). $3: the objects as a JSON array. $4: the names of what is declared.
-- $5: the contents of the tables as a JSON object.
insert into {{ ref('catalogue_snapshots') }} (run_id, moment, objects, declared, contents)
values ($1, $2, $3::jsonb, $4::text[], $5::jsonb)
