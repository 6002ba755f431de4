-- One row: is the activity feed silent? The calls of the agents of open sessions are counted only when no open
-- session shows life of its own. A batch of the clean-up reads this before it locks a row and hands the answer over in
-- the setting rollcall.contradicting_calls: no lock may be held while all open sessions are read.
-- Where activity is not mapped, the sessions that sent a heartbeat are the feed.
with feed as (
    select
        exists(
            select 1
            from {{ ref('open_sessions') }}
            {{ 'where last_heartbeat_at is not null' if not is_mapped('sessions_last_activity_column') }}
        ) as has_open_sessions,
        exists(
            select 1
            from {{ ref('open_sessions') }} as s
            cross join {{ ref('clock') }} as c
            -- an extreme time is no proof that the feed works
            where
                greatest({{ ordinary_time('s.last_activity_at') }}, {{ ordinary_time('s.last_heartbeat_at') }})
                >= c.abandoned_before
        ) as shows_life
)

select
    coalesce(
        nullif(current_setting('rollcall.contradicting_calls', true), '')::bigint,
        case
            when shows_life or not has_open_sessions then 0
            else (
                select count(*)
                from {{ ref('stg_call_sessions') }} as calls
                cross join {{ ref('clock') }} as c
                where {{ call_proves_life_at('calls') }} >= c.abandoned_before
                    and calls.agent_id in (
                        select s.agent_id
                        from {{ ref('open_sessions') }} as s
                    )
            )
        end
    ) as contradicting_calls
from feed
