-- One row per run of a command that may change something, or that judged the database for the record.
create table {{ this.include(database=false) }} (
    run_id text primary key,
    command text not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    judged_at timestamptz,
    plan_hash text,
    approved_by text,
    verdict_before text,
    verdict text,
    planned integer,
    changed integer,
    skipped integer,
    executed integer,
    unattended boolean not null default false,
    undoes text,
    undone_by text,
    failure text,
    rollcall_version text not null,
    digests_images boolean not null default false,
    images_digest text
)
