-- One row per open session and interval with one state, as the looks saw it. Only changes are written: an interval that
-- goes on has no end yet (infinity), and each later look that finds it unchanged confirms it by its row in
-- presence_looks alone. A row is never changed, but for its end, once, and for the look that superseded it: later
-- evidence adds corrected rows and keeps the old one. `recorded_by`, `ended_by` and `superseded_by` are instants of
-- looks. The second key is for its index: what goes on, and the intervals of a day.
create table {{ this.include(database=false) }} (
    session_id text not null,
    agent_id text,
    status text,
    presence text not null,
    reasons text[] not null,
    has_live_call boolean not null,
    valid_from timestamptz not null,
    valid_to timestamptz not null default 'infinity',
    recorded_by timestamptz not null,
    ended_by timestamptz,
    superseded_by timestamptz,
    primary key (session_id, valid_from, recorded_by),
    unique (valid_to, session_id, valid_from, recorded_by)
)
