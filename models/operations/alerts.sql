-- One row per alert that a run has judged: what holds now, what the last message said, and which receivers have not
-- got it. `told` is null while all is well. The row stays when the alert is over.
create table {{ this.include(database=false) }} (
    key text primary key,
    kind text not null,
    severity text not null,
    value text,
    told text,
    pending integer not null default 0,
    pending_value text,
    pending_since timestamptz,
    message jsonb,
    first_seen timestamptz not null,
    last_seen timestamptz not null,
    sent_at timestamptz,
    resolved_at timestamptz,
    undelivered text[] not null default '{}',
    attempts integer not null default 0,
    claimed_until timestamptz
)
