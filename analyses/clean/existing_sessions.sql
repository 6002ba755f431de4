-- Which of these sessions are still in the table? $1: keys, as text.
{%- set columns = app_columns('agent_sessions') -%}
{%- set session_id = app_column(columns, 'sessions_id_column') %}
select s.{{ session_id }}::text as session_id
from {{ source('application', 'agent_sessions') }} as s
where s.{{ session_id }} = any({{ keys('$1', app_column_type(columns, 'sessions_id_column')) }})
