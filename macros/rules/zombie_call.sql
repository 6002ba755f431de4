{# A live status on a call that started too long ago to be live. c: a call; clock: the clock. #}
{% macro zombie_call(c, clock) -%}
    coalesce(
        {{ c }}.has_live_status and not {{ c }}.has_ended and {{ c }}.dated_at <= {{ clock }}.live_since,
        false
    )
{%- endmacro %}
