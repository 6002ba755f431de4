{#
    Whether an instant was read from a local time of the ambiguous hour of autumn, so that it may be an hour earlier: the
    clock on the wall showed the same then. Compares instants, so that only the few rows that depend on it convert a time.
    instant: SQL of the later reading; type: that of the column.
#}
{% macro is_ambiguous(instant, type) -%}
    {%- if 'with time zone' in type or is_utc() -%}
        false
    {%- else -%}
        {%- set zone = literal(var('app_time_zone')) -%}
        coalesce(
            {{ ordinary_time(instant) }} at time zone {{ zone }}
            = ({{ ordinary_time(instant) }} - interval '1 hour') at time zone {{ zone }},
            false
        )
    {%- endif -%}
{%- endmacro %}
