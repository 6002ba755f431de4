-- One row per call that the rules need where no index finds it by its agent: what the agents of open sessions did since
-- their own last sign of life, and what is unfinished. One pass over all calls, whatever indexes and statistics there
-- are: the calls are on the side of the join that keeps its rows, so they are never looked up agent by agent.
-- No row where the calls are looked up (calls_are_read_by_agent); then nothing is read.
with agents as (
    select
        s.agent_id,
        {{ calls_since('s', 'c') }} as calls_since
    from {{ ref('open_sessions') }} as s
    cross join {{ ref('clock') }} as c
    where s.recency = 1
),

earliest as (
    select min(agents.calls_since) as calls_since
    from agents
),

-- Calls from before what any agent needs are left out by the scan, which may then be parallel: as an equality, of which
-- PostgreSQL expects few. A session that is open since long ago costs no more than without this.
candidates as not materialized (
    select calls.*
    from {{ ref('stg_call_sessions') }} as calls
    where not {{ calls_are_read_by_agent() }}
        and (
            calls.is_unfinished
            or calls.moved_at >= (select earliest.calls_since from earliest)
            or coalesce(calls.moved_at < {{ earliest_ordinary_time() }}, true)
        )::integer = 1
)

select c.*
from candidates as c
left join agents as newest on newest.agent_id = c.agent_id
where c.is_unfinished
    or (newest.agent_id is not null and {{ call_is_read('c', 'newest') }})
