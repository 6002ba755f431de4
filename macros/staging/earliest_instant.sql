{#
    The same, but the earlier reading of an ambiguous hour: the careful one for "in the future", and for a claim that
    one time is after another. One hour back, read, one hour forward again: differs from `instant` in such an hour only.
#}
{% macro earliest_instant(expression, type) -%}
    {%- if 'with time zone' in type or is_utc() -%}
        {{ compared_instant(expression, type) }}
    {%- else -%}
        (case
            when {{ expression }} between timestamp '0001-01-02' and timestamp '9999-12-31'
                then least(
                    {{ instant(expression, type) }},
                    {{ instant(expression ~ " - interval '1 hour'", type) }} + interval '1 hour'
                )
            else {{ instant(expression, type) }}
        end)
    {%- endif -%}
{%- endmacro %}
