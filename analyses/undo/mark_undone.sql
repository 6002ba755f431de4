-- $1: run_id that was undone. $2: run_id of the undo. What an undone undo had undone holds again.
update {{ ref('runs') }} as r
set undone_by = case when r.run_id = $1 then $2 end
where r.run_id = $1
    or r.run_id = (
        select u.undoes
        from {{ ref('runs') }} as u
        where u.run_id = $1
    )
