-- Sessions by when they were closed, for the history suite. Open sessions are not in it, and a heartbeat writes none of
-- its columns, so the application notices it at a logout alone.
{%- set columns = app_columns('agent_sessions') -%}
{%- set logout_at = key_column('sessions_logout_at_column') %}
{{ declared_index(
    table='agent_sessions',
    is_wanted=is_mapped('sessions_logout_at_column') and is_indexed('agent_sessions', ['sessions_logout_at_column']),
    name='rollcall_closed_sessions',
    keys=['(' ~ instant(logout_at, app_column_type(columns, 'sessions_logout_at_column')) ~ ')'],
    predicate=logout_at ~ ' is not null',
    reason='Sessions that were closed lately are found without reading the history'
) }}
