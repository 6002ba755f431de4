-- noqa: disable=LT02
{#
    Sum the quarter hours of agents for each day of days_to_sum. Execute it after remove_replaced and
    remove_replaced_days.
#}
{% macro sum_agent_days() -%}
{%- set sums = agent_sums() -%}
insert into {{ ref('built_agent_days') }} (agent_id, business_day, {{ sums | join(', ') }}, built_by)
select
    of_day.agent_id,
    d.business_day,
    {% for name in sums -%}
        of_day.{{ name }},
    {% endfor -%}
    d.built_by
from ({{ days_to_sum() }}) as d
cross join lateral (
    select
        b.agent_id{% for name in sums %},
        sum(b.{{ name }}) as {{ name }}{% endfor %}
    from {{ ref('built_agent_intervals') }} as b
    where b.business_day = d.business_day
    group by b.agent_id
    -- day by day: joined, the quarter hours of all days would be read
    offset 0
) as of_day
{%- endmacro %}
