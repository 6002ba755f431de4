-- One row per session, as it is once cleaned: an abandoned session shows closed, at its last sign of life or now by
-- configuration; a broken reference or status shows mended, and `defects` says what was wrong.
-- Several parts, so that a filter on a time finds its rows by an index or drops a whole part: open sessions that show
-- life of their own and the others, closed sessions with regular times and the others.
-- An open session that a join would double, or that does not find itself, is in quarantined_sessions instead.
-- read once: looked_up_heartbeats, feed_of_views
{%- set is_looked_up = sessions_are_looked_up() -%}
{#- dbt has to know each reference before it is known whether a table is a view -#}
{%- if not execute %}{{ ref('assessed_sessions') }}{{ ref('looked_up_sessions') }}{% endif %}
{%- set cut_off = '(select c.abandoned_before from ' ~ ref('clock') ~ ' as c)' %}

with open_sessions as not materialized (
    select
        s.session_id,
        s.agent_id,
        s.login_at,
        s.last_seen_at,
        s.live_call_id,
        s.abandoned_session,
        {% if is_looked_up %}
            s.own_sign_of_life_at,
            s.is_doubled,
        {% else %}
            count(*) over (partition by s.agent_id, s.recency) > 1 as is_doubled, -- these two name one row
        {% endif %}
        repair.logout_at,
        repair.status,
        -- heartbeat_feed is about all sessions, and no defect of one
        {{ violated_rules('s', rules_of('assessed_sessions') | reject('equalto', 'heartbeat_feed') | list) }} as defects
    from {{ ref('looked_up_sessions') if is_looked_up else ref('assessed_sessions') }} as s
    -- read where closed_logout_at is now
    cross join {{ ref('clock') }} as clock  -- noqa: AL05
    cross join lateral (  -- noqa: ST05
        {{ repair('s', is_present='s.is_present', judged_at='clock.judged_at') }}
    ) as repair
),

judged_closed_sessions as not materialized (
    select
        s.*,
        {{ closed_session_rules('s') }},
        {{ regular_login_at('s.login_at', 's.logout_at') }} as regular_login_at
    from {{ ref('stg_agent_sessions') }} as s
),

-- `not is_open` stands in the parts below: there PostgreSQL sees beside a filter on is_open that a part has no row.
closed_sessions as not materialized (
    select
        s.session_id,
        s.agent_id,
        s.is_open,
        s.regular_login_at,
        -- of an ambiguous login the reading that is before the logout
        case
            when s.logout_at < s.login_at and not s.reversed_session_times then s.earliest_login_at
            else s.login_at
        end as login_at,
        s.logout_at,
        greatest(
            {{ ordinary_time('s.login_at') }},
            {{ ordinary_time('s.last_activity_at') }},
            {{ ordinary_time('s.last_heartbeat_at') }}
        ) as last_seen_at,
        {% if status_is_written() %}
            case
                when s.closed_but_working then {{ literal(var('closed_status')) }}
                else s.status
            end as status,
        {% else %}
            {{ literal(var('closed_status')) }} as status,
        {% endif %}
        extract(
            epoch from s.compared_logout_at - {{ regular_login_at('s.compared_login_at', 's.compared_logout_at') }}
        )::bigint as regular_seconds,
        s.reversed_session_times,
        {{ violated_rules('s', rules_of('history_sessions')) }} as defects
    from judged_closed_sessions as s
),

-- a query of its own, so that PostgreSQL leaves out the columns that a reader does not ask for
parts as (
    {% if is_looked_up %}
        select
            s.session_id,
            s.agent_id,
            s.status,
            true as is_open,
            {{ ordinary_time('s.login_at') }} as login_at,
            null::timestamptz as logout_at,
            {{ ordinary_time('s.last_seen_at') }} as last_seen_at,
            s.live_call_id,
            null::bigint as duration_seconds,
            s.defects
        from open_sessions as s
        where not s.is_doubled
            and {{ shows_life_of_its_own('s', cut_off) }}

        union all

    {% endif %}
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
    where not is_doubled
        {{ 'and ' ~ may_be_abandoned('open_sessions', cut_off) if is_looked_up }}

    union all

    select
        session_id,
        agent_id,
        status,
        false as is_open,
        regular_login_at as login_at,
        logout_at,
        last_seen_at,
        null as live_call_id,
        regular_seconds as duration_seconds,
        defects
    from closed_sessions
    where not is_open
        and regular_login_at is not null

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
    where not is_open
        and regular_login_at is null
)

select
    session_id,
    agent_id,
    status,
    is_open,
    login_at,
    logout_at,
    last_seen_at,
    live_call_id,
    duration_seconds,
    defects
from parts
