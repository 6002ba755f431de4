-- One row per session, as it is once cleaned: an abandoned session shows closed, at its last sign of life or now by
-- configuration; a broken reference or status shows mended, and `defects` says what was wrong.
with open_sessions as (
    select
        s.session_id,
        s.agent_id,
        s.login_at,
        s.last_seen_at,
        s.live_call_id,
        s.abandoned_session,
        case
            when s.abandoned_session then {{ logout_when_closed('s.last_seen_at', 'clock.judged_at') }}
        end as logout_at,
        case
            when s.abandoned_session then {{ literal(var('closed_status')) }}
            when s.invalid_on_call and s.last_seen_at >= clock.present_since then {{ literal(var('available_status')) }}
            when s.invalid_on_call then {{ literal(var('break_status')) }}
            else s.status
        end as status,
        array_remove(
            array[
                case when s.abandoned_session then 'abandoned_session' end,
                case when s.orphaned_call_reference then 'orphaned_call_reference' end,
                case when s.invalid_on_call then 'invalid_on_call' end,
                case when s.session_of_inactive_agent then 'session_of_inactive_agent' end,
                case when s.duplicate_open_session then 'duplicate_open_session' end,
                case when s.open_but_offline then 'open_but_offline' end,
                case when s.live_call_not_on_call then 'live_call_not_on_call' end,
                case when s.shared_call then 'shared_call' end,
                case when s.call_of_another_agent then 'call_of_another_agent' end,
                case when s.invalid_capacity then 'invalid_capacity' end,
                case when s.device_lost then 'device_lost' end,
                case when s.unknown_session_status then 'unknown_session_status' end,
                case when s.activity_in_future then 'activity_in_future' end,
                case when s.extreme_time then 'extreme_time' end,
                case when s.no_sign_of_life then 'no_sign_of_life' end,
                case when s.unknown_activity then 'unknown_activity' end,
                case when s.unknown_agent then 'unknown_agent' end
            ],
            null
        ) as defects
    from {{ ref('assessed_sessions') }} as s
    cross join {{ ref('clock') }} as clock
),

closed_sessions as (
    select
        s.session_id,
        s.agent_id,
        -- of an ambiguous login the reading that is before the logout
        case
            when s.logout_at < s.login_at and not {{ reversed_session_times('s') }} then s.earliest_login_at
            else s.login_at
        end as login_at,
        s.logout_at,
        greatest(
            {{ ordinary_time('s.login_at') }},
            {{ ordinary_time('s.last_activity_at') }},
            {{ ordinary_time('s.last_heartbeat_at') }}
        ) as last_seen_at,
        case
            when {{ closed_but_working('s') }} then {{ literal(var('closed_status')) }}
            else s.status
        end as status,
        {{ reversed_session_times('s') }} as reversed_session_times,
        array_remove(
            array[
                case when {{ reversed_session_times('s') }} then 'reversed_session_times' end,
                case when {{ activity_after_logout('s') }} then 'activity_after_logout' end,
                case when {{ closed_but_working('s') }} then 'closed_but_working' end,
                case when {{ extreme_session_times('s') }} then 'extreme_session_times' end
            ],
            null
        ) as defects
    from {{ ref('stg_agent_sessions') }} as s
    where not s.is_open
)

select
    session_id,
    agent_id,
    status,
    not abandoned_session as is_open,
    {{ ordinary_time('login_at') }} as login_at,
    {{ ordinary_time('logout_at') }} as logout_at,
    {{ ordinary_time('last_seen_at') }} as last_seen_at,
    live_call_id,
    {{ seconds_between('login_at', 'logout_at') }}::bigint as duration_seconds,
    defects
from open_sessions

union all

select
    session_id,
    agent_id,
    status,
    false as is_open,
    {{ ordinary_time('login_at') }} as login_at,
    case when not reversed_session_times then {{ ordinary_time('logout_at') }} end as logout_at,
    last_seen_at,
    null as live_call_id,
    case
        when not reversed_session_times then {{ seconds_between('login_at', 'logout_at') }}::bigint
    end as duration_seconds,
    defects
from closed_sessions
