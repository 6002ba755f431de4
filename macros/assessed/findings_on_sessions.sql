{#
    One row per open session with one boolean for each rule that a session, its agent and the calls decide.
    `is_held`: a blocking finding concerns the session, so nothing of it is cleaned.
    evidence: a relation like session_evidence; feed: a relation like silent_feed.
#}
{% macro findings_on_sessions(evidence, feed) -%}
with judged as (
    select
        s.*,
        {{ unknown_session_status('s') }} as unknown_session_status,
        {{ activity_in_future('s', 'clock') }} as activity_in_future,
        {{ extreme_time('s') }} as extreme_time,
        {{ no_sign_of_life('s') }} as no_sign_of_life,
        {{ unknown_agent('s') }} as unknown_agent,
        {{ unknown_session_status('s') }}
        or {{ activity_in_future('s', 'clock') }}
        or {{ extreme_time('s') }}
        or {{ no_sign_of_life('s') }}
        or {{ unknown_agent('s') }}
        or not s.call_has_known_status{{ ' or s.has_ambiguous_key' if not keys_are_indexed() }}
        or {{ silent_feed('feed') }} as is_held
    from {{ evidence }} as s
    cross join {{ ref('clock') }} as clock
    cross join {{ feed }} as feed
)

select
    s.*,
    clock.judged_at,
    clock.present_since,
    -- proven on every reading of an ambiguous hour
    s.latest_possible_at >= clock.present_since as is_present,
    {{ abandoned_session('s', 'clock') }} as abandoned_session,
    {{ orphaned_call_reference('s', 'clock') if reference_can_be_cleared() else 'false' }} as orphaned_call_reference,
    {{ invalid_on_call('s', 'clock') if status_can_be_mended() else 'false' }} as invalid_on_call,
    {{ session_of_inactive_agent('s') }} as session_of_inactive_agent,
    {{ duplicate_open_session('s') }} as duplicate_open_session,
    {{ open_but_offline('s') }} as open_but_offline,
    {{ live_call_not_on_call('s') }} as live_call_not_on_call,
    {{ call_of_another_agent('s') }} as call_of_another_agent,
    {{ invalid_capacity('s') }} as invalid_capacity,
    {{ unknown_activity('s', 'clock') }} as unknown_activity
from judged as s
cross join {{ ref('clock') }} as clock
{%- endmacro %}
