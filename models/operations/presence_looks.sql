-- One row per look: an unattended run that judged all open sessions for `presence`. Looks older than
-- presence_keep_days are pruned. `previous_at` is null for the first look, and after a gap.
create table {{ this.include(database=false) }} (
    look_at timestamptz primary key,
    run_id text not null references {{ ref('runs') }},
    previous_at timestamptz,
    open_sessions bigint not null,
    recorded_at timestamptz not null default clock_timestamp()
)
