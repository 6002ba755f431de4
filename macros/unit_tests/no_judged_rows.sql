{# No row of a model of rules_of, for a unit test. #}
{% macro no_judged_rows(model) -%}
select
    null::boolean as is_working,
    {{ every_rule('null::boolean', model) }}
where false
{%- endmacro %}
