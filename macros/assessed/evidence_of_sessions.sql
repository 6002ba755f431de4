-- the linter cannot follow the conditions in a macro:
-- noqa: disable=LT02
{#
    One row per open session with everything that a rule may ask of it: its own columns, its agent, the call it refers to
    and its agent's calls. Calls are looked up by agent for the newest session alone, and only those that moved since the
    session's own last sign of life or that may still be live.
    `offset 0` keeps PostgreSQL from joining all agents.
    sessions: a relation like open_sessions; in_one_pass: whether the calls are read in one pass where no index finds them by their agent. A view is made after
    the index: it always looks them up, since PostgreSQL counts the cost of a branch that is never executed.
#}
{% macro evidence_of_sessions(sessions, in_one_pass) -%}
with sessions as not materialized (
    select
        s.*,
        c.live_since,
        {{ calls_since('s', 'c') }} as calls_since,
        s.recency = 1{{ or_may_be_newest('s') }} as may_be_newest
    from {{ sessions }} as s
    cross join {{ ref('clock') }} as c
),

{% if in_one_pass -%}
reading as (
    select {{ calls_are_read_by_agent() }} as is_by_agent
),

-- Materialized: where more sessions are open than PostgreSQL expects, it would be made again for each of them.
calls_in_one_pass as materialized (
    select
        s.agent_id,
        {{ aggregated_calls('calls', 's') }}
    from sessions as s
    join {{ ref('read_calls') }} as calls
        on calls.agent_id = s.agent_id
            and {{ call_is_read('calls', 's') }}
    where s.recency = 1
        and not (select reading.is_by_agent from reading)
    group by s.agent_id
),

{% endif -%}
with_agents_calls as (
    select
        s.*,
        {% if in_one_pass %}
        coalesce(looked_up.live_call_id, read.live_call_id) as agents_live_call_id,
        looked_up.has_live_call or coalesce(read.has_live_call, false) as has_agents_live_call,
        looked_up.has_extreme_end or coalesce(read.has_extreme_end, false) as agents_call_has_extreme_end,
        looked_up.live_calls + coalesce(read.live_calls, 0) as agents_live_calls,
        coalesce(looked_up.sign_of_life_at, read.sign_of_life_at) as agents_calls_sign_of_life_at,
        coalesce(looked_up.latest_possible_at, read.latest_possible_at) as agents_calls_latest_possible_at,
        coalesce(looked_up.moved_at, read.moved_at) as agents_calls_moved_at
        {% else %}
        looked_up.live_call_id as agents_live_call_id,
        looked_up.has_live_call as has_agents_live_call,
        looked_up.has_extreme_end as agents_call_has_extreme_end,
        looked_up.live_calls as agents_live_calls,
        looked_up.sign_of_life_at as agents_calls_sign_of_life_at,
        looked_up.latest_possible_at as agents_calls_latest_possible_at,
        looked_up.moved_at as agents_calls_moved_at
        {% endif %}
    from sessions as s
    left join lateral (
        select {{ aggregated_calls('calls', 's') }}
        from {{ ref('stg_call_sessions') }} as calls
        where s.may_be_newest
            and calls.agent_id = s.agent_id
            and {{ call_is_read('calls', 's') }}
            {% if in_one_pass %}
            and (select reading.is_by_agent from reading)
            {% endif %}
    ) as looked_up on true
    {% if in_one_pass %}
    left join calls_in_one_pass as read
        on s.may_be_newest
            and read.agent_id = s.agent_id
    {% endif %}
),

with_referenced_call as (
    select
        s.*,
        agents.agent_id is not null as agent_exists,
        coalesce(agents.is_active, false) as agent_is_active,
        agents.role as agent_role,
        coalesce(agents.is_ai_agent, false) as agent_is_ai,
        referenced.call_id is not null as call_exists,
        referenced.status as call_status,
        referenced.agent_id as call_agent_id,
        referenced.started_at as call_started_at,
        referenced.connected_at as call_connected_at,
        referenced.ended_at as call_ended_at,
        referenced.last_changed_at as call_moved_at,
        coalesce(referenced.has_known_status, true) as call_has_known_status,
        coalesce({{ call_is_live('referenced', 's.live_since') }}, false) as call_is_live,
        coalesce({{ call_may_be_live('referenced', 's.live_since') }}, false) as call_may_be_live,
        greatest(
            s.own_sign_of_life_at, referenced.sign_of_life_at, s.agents_calls_sign_of_life_at
        ) as last_seen_at,
        -- on every reading of an ambiguous hour
        greatest(s.latest_possible_at, s.agents_calls_latest_possible_at) as last_seen_without_reference_at,
        greatest(
            s.latest_possible_at, referenced.latest_possible_at, s.agents_calls_latest_possible_at
        ) as latest_possible_evidence_at
    from with_agents_calls as s
    left join lateral (
        select
            a.agent_id,
            a.is_active,
            a.role,
            a.is_ai_agent
        from {{ ref('stg_agents') }} as a
        where a.agent_id = s.agent_id
        -- key by key: a batch of the clean-up has few agents, and reads no others
        offset 0
    ) as agents on true
    left join {{ ref('stg_call_sessions') }} as referenced on referenced.call_id = s.current_call_id
),

of_the_agent as (
    select
        s.*,
        -- of any session of the agent: while it is true nothing of the agent's is changed
        bool_or(
            s.call_may_be_live or s.has_agents_live_call{{ or_is_believed('s') }}
        ) over (partition by s.agent_id) as agent_has_live_call,
        -- to which a session of the agent refers, and which belong to another agent or to none
        array_agg(s.current_call_id) filter (
            where s.call_may_be_live and s.call_agent_id is distinct from s.agent_id
        ) over (partition by s.agent_id) as others_live_calls,
        max(s.agents_calls_moved_at) over (partition by s.agent_id) as latest_call_moved_at{{ and_ambiguous_key('s') }}
    from with_referenced_call as s
)

select
    session_id,
    agent_id,
    status,
    current_call_id,
    login_at,
    last_activity_at,
    last_heartbeat_at,
    device_connected,
    max_concurrent_calls,
    recency,
    agent_exists,
    agent_is_active,
    agent_role,
    agent_is_ai,
    call_exists,
    call_status,
    call_agent_id,
    call_started_at,
    call_connected_at,
    call_ended_at,
    call_has_known_status,
    call_is_live,
    agents_call_has_extreme_end,{{ ' has_ambiguous_key,' if not keys_are_indexed() }}
    last_seen_at,
    last_seen_without_reference_at,
    latest_possible_evidence_at as latest_possible_at,
    agent_has_live_call,
    case when call_is_live then current_call_id else agents_live_call_id end as live_call_id,
    call_is_live or agents_live_call_id is not null{{ or_is_believed('of_the_agent') }} as has_live_call,
    -- each uses a slot of the agent, also one that belongs to another agent
    agents_live_calls + case
        when recency = 1 and others_live_calls is not null
            then (select count(distinct others.call_id) from (select unnest(others_live_calls) as call_id) as others)
        else 0
    end as agents_live_calls,
    -- the latest that happened to a call of the agent, or to the call that the session refers to
    greatest(call_moved_at, latest_call_moved_at) as calls_moved_at
from of_the_agent
{%- endmacro %}
