{# "name": an identifier, with quotes inside it doubled. #}
{% macro quoted(name) -%}
    "{{ name | replace('"', '""') }}"
{%- endmacro %}
