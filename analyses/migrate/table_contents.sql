-- One row per table of the application: how many rows it has, a digest of them, and how many were written since.
-- $1: rows up to which a table is counted. $2: rows up to which it has a digest. $3: a transaction id, or null.
{% if is_named_table('agents') %}
    {{ table_contents('agents', part='agents') }}
    union all
{% endif %}
{% if is_named_table('call_sessions') %}
    {{ table_contents('call_sessions', part='calls') }}
    union all
{% endif %}
{{ table_contents('agent_sessions', part='sessions') }}
