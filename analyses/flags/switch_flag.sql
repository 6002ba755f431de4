-- $1: the flag's name. $2: whether it is on from now. Read at query time, so it takes effect at once.
insert into {{ ref('flags') }} as f (name, is_on)
values ($1, $2::boolean)
on conflict (name) do update
    set
        is_on = excluded.is_on,
        changed_at = now(),
        changed_by = session_user
