{# 'a', 'b': the members of a list, for `in (...)`; a list without members gives null, which is in nothing. #}
{% macro literals(texts) -%}
    {%- for text in texts %}{{ literal(text) }}{{ ", " if not loop.last }}{% else %}null{% endfor -%}
{%- endmacro %}
