{# 'text': a string literal, with quotes inside it doubled. #}
{% macro literal(text) -%}
    '{{ text | string | replace("'", "''") }}'
{%- endmacro %}
