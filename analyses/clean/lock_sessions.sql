-- Statement 1 of a batch: lock the planned sessions that nobody else holds.
-- $1: keys of the sessions, as text. One row per session that is ours now.
{%- set columns = app_columns('agent_sessions') -%}
{%- set session_id = app_column(columns, 'sessions_id_column') %}
select s.{{ session_id }}::text as session_id
from {{ source('application', 'agent_sessions') }} as s
where s.{{ session_id }} = any({{ keys('$1', app_column_type(columns, 'sessions_id_column')) }})
for no key update skip locked
