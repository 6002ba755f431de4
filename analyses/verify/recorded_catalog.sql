-- One row per moment, before or after, of one migration. $1: run_id, or null for the latest migration.
with migration as (
    select
        c.run_id,
        max(c.taken_at) as latest_at
    from {{ ref('catalogue_snapshots') }} as c
    where c.run_id = coalesce($1, c.run_id)
    group by c.run_id
    order by latest_at desc
    limit 1
)

select
    c.run_id,
    c.moment,
    c.objects,
    c.declared,
    c.contents,
    c.taken_at,
    array(
        select s.object_name
        from {{ ref('statements') }} as s
        where s.run_id = c.run_id
            and s.outcome = 'done'
        order by s.position
    ) as executed
from {{ ref('catalogue_snapshots') }} as c
join migration as m on m.run_id = c.run_id
