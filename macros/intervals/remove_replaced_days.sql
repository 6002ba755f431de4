-- noqa: disable=LT02
{#
    Remove the days of agents of which no quarter hour is left after a build. Execute it after remove_replaced.
    run_id: SQL of a text.
#}
{% macro remove_replaced_days(run_id) -%}
delete from {{ ref('built_agent_days') }} as a
using {{ ref('built_days') }} as d
where d.built_by = {{ run_id }}
    -- another time zone moves a day by less than two days
    and a.business_day between d.business_day - 2 and d.business_day + 2
    and not exists (
        select b.agent_id
        from {{ ref('built_agent_intervals') }} as b
        where b.agent_id = a.agent_id
            and b.business_day = a.business_day
    )
{%- endmacro %}
