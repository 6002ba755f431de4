-- One row per recorded reading of the history: what was read, and whether what fails is carried to the next reading.
create table {{ this.include(database=false) }} (
    run_id text not null references {{ ref('runs') }},
    stage text not null,
    is_full boolean not null,
    since timestamptz,
    read_at timestamptz not null,
    definition text not null,
    violations bigint not null,
    is_carried boolean not null,
    recorded_at timestamptz not null default clock_timestamp(),
    primary key (run_id, stage)
)
