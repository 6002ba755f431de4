-- One row per rule of the history suite and key of what violates it, all of them.
{{ violations_of('history_sessions', 'session', 'session_id') }}

union all

{{ violations_of('history_calls', 'call', 'call_id') }}
