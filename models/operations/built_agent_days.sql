-- One row per agent and built day: the sums of built_agent_intervals, so that a question about weeks reads few rows.
-- `built_by` is the run that built the summed day. The second key is for the rows of a day.
create table {{ this.include(database=false) }} (
    agent_id text not null,
    business_day date not null,
    {% for name, type in agent_sums().items() -%}
        {{ name }} {{ type }},
    {% endfor -%}
    built_by text not null,
    primary key (agent_id, business_day),
    unique (business_day, agent_id)
)
