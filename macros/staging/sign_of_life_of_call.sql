{#
    When a call last proved that its agent was there, or null. A connected call proves it at its connection and
    its end, a call that is not inbound at its start; an unanswered inbound call proves nothing.
    Arguments: SQL of the three instants, and of the direction as text.
    Where the application does not say which calls were connected, or which were inbound, every call counts: the safe reading.
#}
{% macro sign_of_life_of_call(started_at, connected_at, ended_at, direction) -%}
    {%- if not is_mapped('calls_direction_column') or not is_mapped('calls_connected_at_column') -%}
    greatest({{ started_at }}, {{ connected_at }}, {{ ended_at }})
    {%- else -%}
    greatest(
        {{ connected_at }},
        case when {{ connected_at }} is not null then {{ ended_at }} end,
        -- of a direction that is in neither list the agent may have called: the safe reading
        case when ({{ direction }} in ({{ literals(var('inbound_directions')) }})) is not true then {{ started_at }} end
    )
    {%- endif -%}
{%- endmacro %}
