{#
    The share of the time on calls and in after-call work in that time plus the time available; null where both are zero.
    The arguments are SQL of seconds; those of after-call work may be null.
#}
{% macro occupancy(on_call, after_call, available) -%}
    ({{ on_call }} + coalesce({{ after_call }}, 0))
    / nullif({{ on_call }} + coalesce({{ after_call }}, 0) + {{ available }}, 0)
{%- endmacro %}
