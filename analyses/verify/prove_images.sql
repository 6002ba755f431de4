-- One row: whether the images that a run recorded are as it wrote them. $1: run_id. No row: there is no such run.
-- A run that was killed has a digest of each image, and none over all of them.
with changes_of_run as (
    select *
    from {{ ref('changes') }}
    where run_id = $1
),

digests_of_run as (
    select
        session_id,
        digest
    from {{ ref('change_digests') }}
    where run_id = $1
),

altered as (
    select coalesce(c.session_id, d.session_id) as session_id
    from changes_of_run as c
    full join digests_of_run as d on d.session_id = c.session_id
    where d.digest is distinct from {{ change_digest('c') }}
),

counted as (
    select
        count(*) as altered,
        (array_agg(session_id order by session_id))[1:20] as altered_keys
    from altered
),

chained as (
    {{ chained_digest('$1') }}
)

select
    r.digests_images as is_recorded,
    case when r.digests_images then counted.altered else 0 end as altered,
    case when r.digests_images then coalesce(counted.altered_keys, '{}') else '{}' end as altered_keys,
    not r.digests_images
    or r.finished_at is null
    or coalesce(r.images_digest, '') = coalesce(chained.digest, '') as is_complete
from {{ ref('runs') }} as r
cross join counted
cross join chained
where r.run_id = $1
