-- noqa: disable=LT02
{# Remove the sums of agents of which a later build of the day found nothing. Execute it after sum_agent_days. #}
{% macro remove_replaced_days() -%}
delete from {{ ref('built_agent_days') }} as a
using {{ ref('built_days') }} as d
where d.business_day = a.business_day
    and d.built_by <> a.built_by
{%- endmacro %}
