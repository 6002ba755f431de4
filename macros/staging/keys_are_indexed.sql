{# Whether every key is a column that an index can keep unique; an expression or a view cannot. #}
{% macro keys_are_indexed() %}
    {{ return(
        not var('unindexed_keys')
        and is_indexed('agents', ['agents_id_column'])
        and (var('calls_table') is none or is_indexed('call_sessions', ['calls_id_column']))
    ) }}
{% endmacro %}
