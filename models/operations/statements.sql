-- One row per statement of the migration that a run sent: recorded as started before it was sent, and with how it
-- ended afterwards. One that is still started was cut off: by a kill, or by the end of the connection.
create table {{ this.include(database=false) }} (
    run_id text not null references {{ ref('runs') }},
    position integer not null,
    object_name text not null,
    statement text not null,
    attempts integer not null,
    outcome text not null,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    primary key (run_id, position)
)
