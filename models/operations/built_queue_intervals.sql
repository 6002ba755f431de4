-- One row per 15 minutes of a built day, for the whole call centre. `built_by` is the run that built the row.
create table {{ this.include(database=false) }} (
    interval_start timestamptz primary key,
    local_start timestamp not null,
    business_day date not null,
    observed_seconds numeric not null,
    calls_offered bigint,
    calls_answered bigint,
    calls_abandoned bigint,
    calls_answered_in_time bigint,
    wait_seconds_of_answered numeric,
    calls_answered_with_known_wait bigint,
    calls_missed_with_ghost_available bigint,
    built_by text not null,
    unique (business_day, interval_start)
)
