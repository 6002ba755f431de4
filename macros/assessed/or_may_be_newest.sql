{#
    Two logins of one agent in an ambiguous hour do not say which session is the newer one: the agent's calls count for
    both. The rest of a disjunction, or nothing where logins are no local times. s: the open sessions.
#}
{% macro or_may_be_newest(s) -%}
    {%- set type = app_column_type(app_columns('agent_sessions'), 'sessions_login_at_column') -%}
    {%- if 'with time zone' not in type and not is_utc() %}
 or (
            {{ s }}.login_at > {{ ordinary_time(s ~ '.newest_login_at') }} - interval '1 hour'
            and {{ is_ambiguous(s ~ '.login_at', type) }}
        )
    {%- endif -%}
{%- endmacro %}
