-- One row per agent and built day: the sums of built_agent_intervals, so that a question about weeks reads few rows.
-- `built_by` is the run that built the summed day. The second key is for the rows of a day.
create table {{ this.include(database=false) }} (
    agent_id text not null,
    business_day date not null,
    logged_in_seconds numeric,
    available_seconds numeric,
    on_call_seconds numeric,
    break_seconds numeric,
    after_call_seconds numeric,
    ghost_seconds numeric,
    ghost_available_seconds numeric,
    calls_offered bigint,
    calls_answered bigint,
    calls_missed bigint,
    calls_missed_as_ghost bigint,
    talk_seconds numeric,
    built_by text not null,
    primary key (agent_id, business_day),
    unique (business_day, agent_id)
)
