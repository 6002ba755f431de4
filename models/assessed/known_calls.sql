-- One row per call that failed when the history was read before: judged again whenever it moved.
select known.key as call_id
from (
    {{ known_keys('rollcall.known_calls', app_column_type(app_columns('call_sessions'), 'calls_id_column')) }}
) as known
