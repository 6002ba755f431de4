{#
    The same, but the earlier reading of an hour that autumn repeats: the careful one for "in the future".
    One hour back, read, one hour forward again: differs from `instant` in such an hour only.
#}
{% macro earliest_instant(expression, type) -%}
    {%- if 'with time zone' in type -%}
        {{ expression }}
    {%- else -%}
        least(
            {{ instant(expression, type) }},
            {{ instant(expression ~ " - interval '1 hour'", type) }} + interval '1 hour'
        )
    {%- endif -%}
{%- endmacro %}
