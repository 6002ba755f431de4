-- One row per run and rule: the exact count and the first keys of what violated it.
create table {{ this }} (
    run_id text not null references {{ ref('runs') }},
    stage text not null,
    rule text not null,
    suite text not null,
    check_name text not null,
    severity text not null,
    violations bigint not null,
    sample_keys text[] not null,
    primary key (run_id, stage, suite, rule)
)
