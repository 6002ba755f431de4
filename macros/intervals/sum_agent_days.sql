-- noqa: disable=LT02
{#
    Sum the quarter hours of agents for each day that was built since its sums were made; a day that was built before this
    table was there is one of them. Execute it after remove_replaced.
#}
{% macro sum_agent_days() -%}
{%- set sums = agent_sums() -%}
insert into {{ ref('built_agent_days') }} (agent_id, business_day, {{ sums | join(', ') }}, built_by)
select
    b.agent_id,
    b.business_day,
    {% for name in sums -%}
        sum(b.{{ name }}) as {{ name }},
    {% endfor -%}
    d.built_by
from {{ ref('built_days') }} as d
join {{ ref('built_agent_intervals') }} as b on b.business_day = d.business_day
where not exists (
    select summed.business_day
    from {{ ref('built_agent_days') }} as summed
    where summed.business_day = d.business_day
        and summed.built_by = d.built_by
)
group by b.agent_id, b.business_day, d.built_by
on conflict (agent_id, business_day) do update set
    {% for name in sums -%}
        {{ name }} = excluded.{{ name }},
    {% endfor -%}
    built_by = excluded.built_by
{%- endmacro %}
