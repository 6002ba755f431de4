{#
    From when on the history is read: from the beginning, unless the setting rollcall.history_since says otherwise. As an
    expression and not as a row, so that PostgreSQL knows at planning how much that is.
#}
{% macro history_since() -%}
    coalesce(nullif(current_setting('rollcall.history_since', true), '')::timestamptz, '-infinity'::timestamptz)
{%- endmacro %}


{# Keys that are known to fail, in a setting as a JSON array, as one column; none where the setting is empty. #}
{% macro known_keys(setting, type) -%}
    select k.key::{{ type }} as key
    from
        jsonb_array_elements_text(
            nullif(current_setting({{ literal(setting) }}, true), '')::jsonb
        ) as k (key)
{%- endmacro %}


{# Every agent who has a call, each found in the index after the one before: a step per agent, whatever the history. #}
{% macro agents_with_calls() -%}
    with recursive agents as (
        (
            select first_call.agent_id
            from {{ ref('stg_call_sessions') }} as first_call
            where first_call.agent_id is not null
            order by first_call.agent_id
            limit 1
        )

        union all

        select (
            select next_call.agent_id
            from {{ ref('stg_call_sessions') }} as next_call
            where next_call.agent_id > before.agent_id
            order by next_call.agent_id
            limit 1
        ) as agent_id
        from agents as before
        where before.agent_id is not null
    )

    select agents.agent_id
    from agents
    where agents.agent_id is not null
{%- endmacro %}
