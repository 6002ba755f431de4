-- One row per migration and moment (before its first statement, after its last one): what the catalog said of the
-- application's tables, and how many rows they had. Rows are added and never changed: they are the proof.
create table {{ this.include(database=false) }} (
    run_id text not null references {{ ref('runs') }},
    moment text not null,
    objects jsonb not null,
    declared text[] not null,
    contents jsonb not null,
    taken_at timestamptz not null default clock_timestamp(),
    primary key (run_id, moment)
)
