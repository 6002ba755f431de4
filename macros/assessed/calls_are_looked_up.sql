{#
    Whether the views look the calls up by agent. A view is made after the index, and PostgreSQL counts the cost of a branch
    that is never executed; where no index can serve, the calls are read as they are before the migration.
#}
{% macro calls_are_looked_up() %}
    {{ return(not var('read_only') and is_indexed('call_sessions', [
        'calls_agent_id_column', 'calls_started_at_column', 'calls_connected_at_column', 'calls_ended_at_column'
    ])) }}
{% endmacro %}


{# Whether the views judge each open session by itself: its key, its agent's and its call's name one row each. #}
{% macro sessions_are_looked_up() %}
    {{ return(keys_are_indexed() and calls_are_looked_up()) }}
{% endmacro %}
