-- One row: what the indexes that are still missing need at most, and where the data is, if we may know it.
-- $1: bytes that a row takes in one of them, with what sorting it takes for a while.
with pending as (
    select count(*) as indexes
    from {{ ref('declared_changes') }}
    where kind = 'index'
        and state in ('missing', 'invalid')
),

tables as (
    select sum(once.estimated_rows) as estimated_rows
    from (
        select distinct
            t.table_oid,
            t.estimated_rows
        from {{ ref('watched_tables') }} as t
        where t.part in ('sessions', 'calls')
            and t.kind = 'r'
    ) as once
)

select
    pending.indexes,
    case when pending.indexes > 0 then coalesce(tables.estimated_rows, 0) * $1 else 0 end::bigint as needed_bytes,
    (
        select s.setting
        from pg_catalog.pg_settings as s
        where s.name = 'data_directory'
    ) as data_directory
from pending
cross join tables
