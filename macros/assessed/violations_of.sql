{#
    One row per rule and key of what violates it in one model. A row that violates nothing is left out before it is
    joined with the rules: of a history nearly all are sound.
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
        and {{ violates_any_rule('j', model) }}
{%- endmacro %}


{% macro rows_of_rules(j, model) -%}
    {%- for rule in rules_of(model) %}('{{ rule }}', {{ j }}.{{ rule }}){{ ", " if not loop.last }}{% endfor -%}
{%- endmacro %}


{#
    Whether a row violates anything. As an equality, of which PostgreSQL expects few, as it is: it expects nearly all rows
    of such a disjunction, and would not read them in parallel. j, model: as for violations_of.
#}
{% macro violates_any_rule(j, model) -%}
    ({%- for rule in rules_of(model) %}{{ j }}.{{ rule }}{{ " or " if not loop.last }}{% endfor -%})::integer = 1
{%- endmacro %}
