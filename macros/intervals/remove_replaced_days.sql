-- noqa: disable=LT02
{# Remove the sums of the days that are summed next. Execute it before sum_agent_days. #}
{% macro remove_replaced_days() -%}
delete from {{ ref('built_agent_days') }} as a
where a.business_day = any(array(select d.business_day from ({{ days_to_sum() }}) as d))
{%- endmacro %}
