-- One row per feature flag that was ever switched; a flag without a row is off.
create table {{ this.include(database=false) }} (
    name text primary key,
    is_on boolean not null,
    changed_at timestamptz not null default now(),
    changed_by text not null default session_user
)
