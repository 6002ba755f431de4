-- Statement 1 of a batch: lock the planned sessions that no other transaction holds.
-- $1: keys of the sessions, as text. One row: the keys of those that are ours now.
{%- set columns = app_columns('agent_sessions') -%}
{%- set session_id = app_column(columns, 'sessions_id_column') %}
select coalesce(array_agg(ours.session_id), '{}') as locked
from (
    select s.{{ session_id }}::text as session_id
    from {{ source('application', 'agent_sessions') }} as s
    where s.{{ session_id }} = any({{ keys('$1', app_column_type(columns, 'sessions_id_column')) }})
    for no key update skip locked
) as ours
