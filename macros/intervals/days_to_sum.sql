-- noqa: disable=LT02
{#
    SQL query: the days that were built since their sums were made; a day that was built before the table of the sums was
    there is one of them. Asked day by day: of a summed day the first row answers, and no other is read.
#}
{% macro days_to_sum() -%}
select
    built.business_day,
    built.starts_at,
    built.ends_at,
    built.built_by
from {{ ref('built_days') }} as built
where (
    select summed.built_by
    from {{ ref('built_agent_days') }} as summed
    where summed.business_day = built.business_day
        and summed.built_by = built.built_by
    limit 1
) is null
{%- endmacro %}
