-- One row per closed session that failed when the history was read before: judged again whenever it was closed.
select known.key as session_id
from (
    {{ known_keys(
        'rollcall.known_sessions', app_column_type(app_columns('agent_sessions'), 'sessions_id_column')
    ) }}
) as known
