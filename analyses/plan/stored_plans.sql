-- The stored plans whose hash begins like this. $1: the beginning.
select
    hash,
    header
from {{ ref('plans') }}
where starts_with(hash, $1)
order by hash
