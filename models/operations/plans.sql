-- One row per plan that was stored to be applied by its hash: its header line as it is.
create table {{ this.include(database=false) }} (
    hash text primary key,
    header text not null,
    stored_at timestamptz not null default now(),
    stored_by text not null default session_user,
    run_id text not null references {{ ref('runs') }}
)
