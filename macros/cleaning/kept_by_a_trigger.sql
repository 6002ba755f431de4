{# Why a session was left alone that our statement should have changed, but did not return. #}
{% macro kept_by_a_trigger() -%}
    {{ literal('a trigger of the application kept the row as it was') }}
{%- endmacro %}
