-- One row: is everything deployed that a build reads? An unknown time zone is an error of PostgreSQL.
select
    to_regclass({{ literal(ref('calls').include(database=false)) }}) is not null as has_calls,
    {{ business_time('now()') }} as local_now,
    (
        select count(*) > 0
        from {{ ref('built_days') }} as b
        where b.starts_at <> b.business_day::timestamp at time zone {{ literal(var('business_time_zone')) }}
    ) as has_days_of_another_zone
