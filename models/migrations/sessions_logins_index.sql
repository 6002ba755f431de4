-- Closed sessions by their login, for the cleaned view of a day. Open sessions are not in it, and a heartbeat writes
-- none of its columns, so the application notices it at a logout alone.
{%- set columns = app_columns('agent_sessions') -%}
{%- set login_at = app_value(columns, 'sessions_login_at_column') -%}
{%- set logout_at = app_value(columns, 'sessions_logout_at_column') %}
{{ declared_index(
    table='agent_sessions',
    is_wanted=is_mapped('sessions_login_at_column') and is_mapped('sessions_logout_at_column')
    and is_indexed('agent_sessions', ['sessions_login_at_column', 'sessions_logout_at_column']),
    name='rollcall_closed_logins',
    keys=['(' ~ regular_login_at(
        instant(login_at, app_column_type(columns, 'sessions_login_at_column')),
        instant(logout_at, app_column_type(columns, 'sessions_logout_at_column'))
    ) ~ ')'],
    predicate=key_column('sessions_logout_at_column') ~ ' is not null',
    reason='The sessions of one day are found without reading the history'
) }}
