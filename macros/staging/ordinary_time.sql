{#
    Whether an instant can be calculated with: finite, and in the years 1 to 9999. Beyond that PostgreSQL cannot add an
    interval to every instant, and Python cannot hold it. instant: SQL of a timestamptz; null is not ordinary.
#}
{% macro is_ordinary_time(instant) -%}
    ({{ instant }} >= {{ earliest_ordinary_time() }} and {{ instant }} < {{ first_extreme_time() }})
{%- endmacro %}


{# The first instant that can be calculated with in every time zone. #}
{% macro earliest_ordinary_time() -%}
    timestamptz '0001-01-02 00:00Z'
{%- endmacro %}


{# The first instant after them. #}
{% macro first_extreme_time() -%}
    timestamptz '9999-12-31 00:00Z'
{%- endmacro %}


{# Whether an instant has a value that cannot be calculated with. #}
{% macro is_extreme_time(instant) -%}
    coalesce(not {{ is_ordinary_time(instant) }}, false)
{%- endmacro %}


{# The instant, or null where it cannot be calculated with. #}
{% macro ordinary_time(instant) -%}
    (case when {{ is_ordinary_time(instant) }} then {{ instant }} end)
{%- endmacro %}


{# The seconds from one instant to a later one; null where either cannot be calculated with. #}
{% macro seconds_between(earlier, later) -%}
    extract(epoch from {{ ordinary_time(later) }} - {{ ordinary_time(earlier) }})
{%- endmacro %}
