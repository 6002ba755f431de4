-- One row per run, stage and rule: the exact count, the first keys of what failed, since when each of them fails, and
-- how that compares with the judgement that was recorded before it. Rows older than rule_results_keep_days are pruned,
-- but never a rule's latest.
create table {{ this.include(database=false) }} (
    run_id text not null references {{ ref('runs') }},
    stage text not null,
    rule text not null,
    suite text not null,
    check_name text not null,
    severity text not null,
    violations bigint not null,
    sample_keys text[] not null,
    waived bigint not null default 0,
    keys_since timestamptz[] not null default '{}',
    failing_since timestamptz,
    new bigint,
    persisting bigint,
    resolved bigint,
    resolved_keys text[] not null default '{}',
    recorded_at timestamptz not null default clock_timestamp(),
    primary key (suite, rule, recorded_at, run_id, stage),
    unique (run_id, stage, suite, rule)
)
