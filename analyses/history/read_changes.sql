-- For the rest of this transaction the history is what changed since $1, and what is known to fail. One row: how many
-- keys that are.
with known as (
    select distinct
        f.subject,
        f.key
    from {{ ref('history_failures') }} as f
    where f.resolved_at is null
),

told as (
    select
        set_config('rollcall.history_since', $1, true) as since,
        set_config(
            'rollcall.known_sessions',
            (
                select coalesce(jsonb_agg(k.key), '[]')::text
                from known as k
                where k.subject = 'session'
            ),
            true
        ) as sessions,
        set_config(
            'rollcall.known_calls',
            (
                select coalesce(jsonb_agg(k.key), '[]')::text
                from known as k
                where k.subject = 'call'
            ),
            true
        ) as calls
)

select jsonb_array_length(told.sessions::jsonb) + jsonb_array_length(told.calls::jsonb) as known
from told
