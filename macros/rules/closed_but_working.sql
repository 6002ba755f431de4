{# Closed, and still available, on_call or holding a call. s: a closed session. #}
{% macro closed_but_working(s) -%}
    coalesce(
        {{ s }}.status in ({{ literals(available_statuses() + on_call_statuses()) }})
        or {{ s }}.current_call_id is not null,
        false
    )
{%- endmacro %}
