-- Take the next fencing token; a run that still works under an older one is refused at the next batch.
-- $1: run_id. $2: the holder, as text for people.
insert into {{ ref('lease') }} as l (name, token, run_id, holder)
values ('pipeline', 1, $1, $2)
on conflict (name) do update
    set
        token = l.token + 1,
        run_id = excluded.run_id,
        holder = excluded.holder,
        acquired_at = now()
returning token
