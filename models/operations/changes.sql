-- One row per session that a run changed, with the whole row before and after, written with the change itself.
-- `as_planned`: the planned columns hold what was planned; a trigger of the application may have written otherwise.
-- `run_id` is no foreign key: a look-up per row would be a tenth of a clean-up. The lease, checked in the same
-- transaction, belongs to a run that is recorded, and no run is ever deleted.
create table {{ this.include(database=false) }} (
    run_id text not null,
    session_id text not null,
    agent_id text,
    rules text[] not null,
    remedy text not null,
    evidence jsonb not null,
    before_image jsonb not null,
    after_image jsonb not null,
    as_planned boolean not null,
    changed_at timestamptz not null default clock_timestamp(),
    primary key (run_id, session_id)
)
