{# A time of the call that cannot be calculated with. c: a call. #}
{% macro extreme_call_times(c) -%}
    (
        {{ is_extreme_time(c ~ '.earliest_started_at') }}
        or {{ is_extreme_time(c ~ '.connected_at') }}
        or {{ is_extreme_time(c ~ '.ended_at') }}
    )
{%- endmacro %}
