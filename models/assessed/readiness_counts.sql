-- One row: how often each rule is violated, exactly, and the facts beside it.
with sessions as (
    select
        {{ counted_rules('s', 'assessed_sessions') }},
        count(*) as open_sessions,
        count(*) filter (where s.is_working) as working_sessions,
        count(*) filter (where {{ needs_repair('s') }}{{ ' and false' if var('read_only') }}) as pending_changes
    from {{ ref('assessed_sessions') }} as s
),

calls as (
    select
        {{ counted_rules('c', 'assessed_calls') }}
    from {{ ref('assessed_calls') }} as c
),

agents as (
    select
        count(*) filter (where a.is_active) as active_agents,
        {{ no_active_agents('a') }}::integer as no_active_agents
    from {{ ref('stg_agents') }} as a
)

select
    clock.judged_at,
    clock.current_at,
    clock.abandoned_before,
    {{ silent_feed('feed') }}::integer as silent_feed,
    agents.*,
    calls.*,
    sessions.*
from sessions
cross join calls
cross join agents
cross join {{ ref('clock') }} as clock
cross join {{ ref('silent_feed') }} as feed
