-- One row per day of the business time zone that `build` has built, with what it was built from. `is_final`: a later
-- build found that calls or looks of the day are gone, so its rows stay. `settings`: the version of the columns
-- and the vars that decide what a row says; a day with others is built again.
create table {{ this.include(database=false) }} (
    business_day date primary key,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    settings text not null,
    observed_seconds numeric not null,
    looks bigint not null,
    calls bigint not null,
    looked_until timestamptz,
    is_final boolean not null default false,
    built_by text not null references {{ ref('runs') }},
    built_at timestamptz not null default clock_timestamp()
)
