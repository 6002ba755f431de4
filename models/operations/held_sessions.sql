-- One row per session whose repair a person undid: unattended runs leave it alone until its agent shows life after
-- `held_at`, or until a run that a person watches repairs it.
create table {{ this.include(database=false) }} (
    session_id text primary key,
    run_id text not null references {{ ref('runs') }},
    held_at timestamptz not null default clock_timestamp(),
    released_at timestamptz
)
