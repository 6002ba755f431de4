{# "name": an identifier, with quotes inside it doubled. #}
{% macro quoted(name) -%}
    "{{ name | replace('"', '""') }}"
{%- endmacro %}


{# "a", "b": identifiers, in a list. #}
{% macro quoted_names(names) -%}
    {%- for name in names %}{{ quoted(name) }}{{ ", " if not loop.last }}{% endfor -%}
{%- endmacro %}
