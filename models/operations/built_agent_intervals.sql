-- One row per agent and 15 minutes in which the agent had an open session or a call. `build` replaces the rows of a
-- day as a whole; `built_by` is its run. The second key is for the rows of a day.
create table {{ this.include(database=false) }} (
    agent_id text not null,
    interval_start timestamptz not null,
    local_start timestamp not null,
    business_day date not null,
    observed_seconds numeric not null,
    {% for name, type in agent_sums().items() -%}
        {{ name }} {{ type }},
    {% endfor -%}
    built_by text not null,
    primary key (agent_id, interval_start),
    unique (business_day, agent_id, interval_start)
)
