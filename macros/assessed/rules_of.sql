{#
    The rules of a model, each a boolean column of that name, in the order of macros/rules/_rules.md.
    model: session_findings, assessed_sessions, assessed_calls, history_sessions or history_calls.
    Made by scripts/rule_pages.py from the models: do not edit.
#}
{% macro rules_of(model) %}
    {{ return({
        'session_findings': [
            'abandoned_session',
            'orphaned_call_reference',
            'invalid_on_call',
            'session_of_inactive_agent',
            'duplicate_open_session',
            'open_but_offline',
            'live_call_not_on_call',
            'call_of_another_agent',
            'invalid_capacity',
            'unknown_session_status',
            'activity_in_future',
            'extreme_time',
            'no_sign_of_life',
            'unknown_activity',
            'unknown_agent',
        ],
        'assessed_sessions': [
            'abandoned_session',
            'orphaned_call_reference',
            'invalid_on_call',
            'session_of_inactive_agent',
            'duplicate_open_session',
            'open_but_offline',
            'live_call_not_on_call',
            'shared_call',
            'call_of_another_agent',
            'invalid_capacity',
            'device_lost',
            'heartbeat_feed',
            'unknown_session_status',
            'activity_in_future',
            'extreme_time',
            'no_sign_of_life',
            'unknown_activity',
            'unknown_agent',
        ],
        'assessed_calls': [
            'unknown_call_status',
            'zombie_call',
            'ended_call_still_live',
        ],
        'history_sessions': [
            'reversed_session_times',
            'activity_after_logout',
            'closed_but_working',
            'extreme_session_times',
        ],
        'history_calls': [
            'reversed_call_times',
            'extreme_call_times',
        ],
    }[model]) }}
{% endmacro %}
