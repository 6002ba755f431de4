{# The columns that add up over the quarter hours of an agent, with their types: name -> type. #}
{% macro agent_sums() %}
    {{ return({
        'logged_in_seconds': 'numeric',
        'available_seconds': 'numeric',
        'on_call_seconds': 'numeric',
        'break_seconds': 'numeric',
        'after_call_seconds': 'numeric',
        'ghost_seconds': 'numeric',
        'ghost_available_seconds': 'numeric',
        'calls_offered': 'bigint',
        'calls_answered': 'bigint',
        'calls_missed': 'bigint',
        'calls_missed_as_ghost': 'bigint',
        'talk_seconds': 'numeric',
    }) }}
{% endmacro %}
