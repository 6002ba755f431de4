{# Closed, and still available, on_call or holding a call. s: a closed session. #}
{% macro closed_but_working(s) -%}
    coalesce(
        {{ s }}.status in ({{ literals([var('available_status'), var('on_call_status')]) }})
        or {{ s }}.current_call_id is not null,
        false
    )
{%- endmacro %}
