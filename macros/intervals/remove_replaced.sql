-- noqa: disable=LT02
{#
    Remove the rows of ours that a build did not build again for the days that it built and has not summed yet. Execute
    it before sum_agent_days. run_id: SQL of a text.
#}
{% macro remove_replaced(run_id) -%}
delete from {{ ref('built_agent_intervals') }} as b
using ({{ days_to_sum() }}) as d
where d.built_by = {{ run_id }}
    -- the key is by day; another time zone moves a day by less than two days
    and b.business_day between d.business_day - 2 and d.business_day + 2
    and b.interval_start >= d.starts_at
    and b.interval_start < d.ends_at
    and b.built_by <> {{ run_id }}
{%- endmacro %}
