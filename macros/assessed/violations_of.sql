{#
    One row per rule and key of what violates it in one model.
    model: one of those of rules_of; subject: session or call; key: the name of its key.
#}
{% macro violations_of(model, subject, key) -%}
    select
        rules.rule,
        '{{ subject }}' as subject,
        j.{{ key }}::text as key
    from {{ ref(model) }} as j
    cross join lateral (
        values {{ rows_of_rules('j', model) }}
    ) as rules (rule, is_violated)
    where rules.is_violated
{%- endmacro %}


{% macro rows_of_rules(j, model) -%}
    {%- for rule in rules_of(model) %}('{{ rule }}', {{ j }}.{{ rule }}){{ ", " if not loop.last }}{% endfor -%}
{%- endmacro %}
