-- One row per planned session that a run left alone, with the reason.
create table {{ this.include(database=false) }} (
    run_id text not null references {{ ref('runs') }},
    session_id text not null,
    reason text not null,
    skipped_at timestamptz not null default clock_timestamp(),
    primary key (run_id, session_id)
)
