-- One row once any run has held the lease: its last holder, and the fencing token that every batch checks.
create table {{ this.include(database=false) }} (
    name text primary key,
    token bigint not null,
    run_id text not null,
    holder text not null,
    acquired_at timestamptz not null default now()
)
