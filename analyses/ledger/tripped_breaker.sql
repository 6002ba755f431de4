-- The run that the breaker stopped last, while it is not dealt with; else no row. It is dealt with once a later
-- clean-up ended without a failure: a person's, or an unattended one that the breaker let pass.
with tripped as (
    select
        run_id,
        started_at,
        regexp_replace(failure, '^BreakerTripped: ', '') as evidence
    from {{ ref('runs') }}
    where failure like 'BreakerTripped: %'
    order by started_at desc, run_id desc
    limit 1
)

select
    t.run_id,
    t.started_at,
    t.evidence
from tripped as t
where not exists (
        select 1
        from {{ ref('runs') }} as r
        where r.started_at > t.started_at
            and r.command in ('clean', 'run')
            and r.finished_at is not null
            and r.failure is null
            and r.changed is not null
    )
