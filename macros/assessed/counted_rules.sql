{# How many rows violate each rule of a model, as columns. j: the alias of the model; model: see rules_of. #}
{% macro counted_rules(j, model) -%}
    {%- for rule in rules_of(model) -%}
        count(*) filter (where {{ j }}.{{ rule }}) as {{ rule }}{{ ", " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
