-- One row per session that agent_sessions leaves out, with every reason. All of them are open: a closed one is shown as
-- it is, without a join.
{%- set is_looked_up = sessions_are_looked_up() %}
with open_sessions as (
    select
        session_id,
        agent_id,
        status,
        current_call_id,
        login_at,
        count(*) over (partition by agent_id, session_id) as sessions_with_this_key
    from {{ ref('open_sessions') }}
),

ambiguous_agents as (
    select agent_id
    from {{ ref('stg_agents') }}
    group by agent_id
    having count(*) > 1
),

ambiguous_calls as (
    select c.call_id
    from (
        select current_call_id
        from open_sessions
        where current_call_id is not null
        group by current_call_id
    ) as referenced
    join {{ ref('stg_call_sessions') }} as c on c.call_id = referenced.current_call_id
    group by c.call_id
    having count(*) > 1
),

judged as (
    select
        s.session_id,
        s.agent_id,
        s.status,
        s.current_call_id,
        s.login_at,
        array_remove(
            array[
                {% if is_looked_up %}
                    case when s.session_id is null then 'null_key' end,
                    case when s.session_id is not null and s.sessions_with_this_key > 1 then 'ambiguous_key' end,
                {% endif %}
                case when s.agent_id in (select a.agent_id from ambiguous_agents as a) then 'ambiguous_agent' end,
                case when s.current_call_id in (select c.call_id from ambiguous_calls as c) then 'ambiguous_call' end
            ],
            null
        ) as reasons
    from open_sessions as s
)

select
    session_id,
    agent_id,
    status,
    current_call_id as call_id,
    {{ ordinary_time('login_at') }} as login_at,
    reasons
from judged
where reasons <> '{}'
