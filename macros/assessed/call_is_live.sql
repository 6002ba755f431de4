{# A call is live only if its status is live, it has not ended and it started recently. call: a relation alias. #}
{% macro call_is_live(call, live_since) -%}
    ({{ call }}.has_live_status and not {{ call }}.has_ended and {{ call }}.dated_at > {{ live_since }})
{%- endmacro %}


{# The same, or a status, a start or an end that is unknown: what may be a conversation is protected like one. #}
{% macro call_may_be_live(call, live_since) -%}
    (
        ({{ call }}.has_live_status or not {{ call }}.has_known_status)
        and (not {{ call }}.has_ended or {{ call }}.has_extreme_end)
        and coalesce({{ call }}.dated_at > {{ live_since }}, true)
    )
{%- endmacro %}
