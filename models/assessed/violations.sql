-- One row per rule and key of what violates it, all of them: the rules whose keys can be named, in one list.
{{ violations_of('assessed_sessions', 'session', 'session_id') }}

union all

{{ violations_of('assessed_calls', 'call', 'call_id') }}
