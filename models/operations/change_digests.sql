-- One row per session that a run changed: a digest of the whole row of `changes`, written in the same statement. What
-- is altered in `changes` alone afterwards does not fit it any more.
create table {{ this.include(database=false) }} (
    run_id text not null,
    session_id text not null,
    digest text not null,
    primary key (run_id, session_id)
)
