-- One row: is everything deployed that a build reads? An unknown time zone is an error of PostgreSQL.
select
    to_regclass({{ literal(ref('calls').include(database=false)) }}) is not null as has_calls,
    {{ business_time('now()') }} as local_now,
    ({{ days_of_another_zone() }}) as has_days_of_another_zone
