-- One row per statement of the migration that a run sent, with how it ended.
create table {{ this }} (
    run_id text not null references {{ ref('runs') }},
    position integer not null,
    object_name text not null,
    statement text not null,
    attempts integer not null,
    outcome text not null,
    finished_at timestamptz not null default clock_timestamp(),
    primary key (run_id, position)
)
