{# No agent can take a call: no active human has an agent's role. a: the agents, aggregated over. #}
{% macro no_active_agents(a) -%}
    coalesce(
        not bool_or(
            {{ a }}.is_active
            and not {{ a }}.is_ai_agent
            and {{ a }}.role in ({{ literals(var('agent_roles')) }})
        ),
        true
    )
{%- endmacro %}
