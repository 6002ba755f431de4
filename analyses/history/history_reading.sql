-- One row: what the history suite is to read, after the last recorded reading, if there was one.
-- since: what changed from then on suffices; null where everything is to be read, and `why` then says why.
-- $1: digest of the rules as they are now.
with latest as (
    select
        p.read_at,
        p.definition,
        p.is_carried,
        p.violations
    from {{ ref('history_passes') }} as p
    order by p.recorded_at desc
    limit 1
),

whole as (
    select max(p.read_at) as read_at
    from {{ ref('history_passes') }} as p
    where p.is_full
        and p.read_at <= now()
),

indexes as (
    select count(*) as valid
    from pg_catalog.pg_index as i
    join pg_catalog.pg_class as c on c.oid = i.indexrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = {{ literal(var('app_schema')) }}
        and c.relname in ('rollcall_closed_sessions', 'rollcall_calls_of_agent')
        and i.indisvalid
),

judged as (
    select
        latest.read_at,
        whole.read_at as full_at,
        case
            when latest.read_at is null then 'no reading is recorded yet'
            when latest.read_at > now() then 'the last reading was recorded by a clock that was ahead'
            when latest.definition <> $1 then 'the rules are not those of the last reading'
            when not latest.is_carried then 'more fails than is kept by key (' || latest.violations || ')'
            when indexes.valid < 2 then 'the indexes that find what changed are missing'
            when
                whole.read_at is null
                or whole.read_at < now() - {{ var('history_full_after_days') }} * interval '1 day'
                then 'the last full reading is too long ago'
        end as why
    from whole
    cross join indexes
    left join latest on true
)

select
    full_at,
    why,
    case
        when why is null then read_at - {{ var('history_overlap_hours') }} * interval '1 hour'
    end as since
from judged
