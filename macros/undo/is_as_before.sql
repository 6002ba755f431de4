{# Whether a restored session holds what it held before. s: the alias of the session; v: of its verdict. #}
{% macro is_as_before(columns, s, v) -%}
    {%- set facts = [] -%}
    {%- for name in written_columns() -%}
        {%- do facts.append(
            s ~ '.' ~ stored_value(columns, name) ~ ' is not distinct from ' ~ v ~ '.before_' ~ loop.index
        ) -%}
    {%- endfor -%}
    {{ facts | join(' and ') }}
{%- endmacro %}
