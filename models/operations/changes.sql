-- One row per session that a run changed, with the whole row before and after, written with the change itself.
create table {{ this }} (
    run_id text not null references {{ ref('runs') }},
    session_id text not null,
    agent_id text,
    rules text[] not null,
    remedy text not null,
    evidence jsonb not null,
    before_image jsonb not null,
    after_image jsonb not null,
    changed_at timestamptz not null default clock_timestamp(),
    primary key (run_id, session_id)
)
