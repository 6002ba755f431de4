{# The same value for every rule of a model, as columns. value: SQL text; model: see rules_of. #}
{% macro every_rule(value, model) -%}
    {%- for rule in rules_of(model) %}{{ value }} as {{ rule }}{{ ", " if not loop.last }}{% endfor -%}
{%- endmacro %}
