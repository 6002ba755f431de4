-- One row per rule and key of the history that a recorded reading found to fail, until another one finds it resolved:
-- what the next reading judges again, whenever it changed. Resolved ones are pruned after rule_results_keep_days.
create table {{ this.include(database=false) }} (
    rule text not null,
    subject text not null,
    key text not null,
    found_by text not null references {{ ref('runs') }},
    found_at timestamptz not null default clock_timestamp(),
    resolved_by text references {{ ref('runs') }},
    resolved_at timestamptz,
    primary key (rule, key, found_at)
)
