-- One row: what the ledger and the table prove about a run. $1: run_id.
{%- set columns = app_columns('agent_sessions') -%}
{%- set session_id = app_column(columns, 'sessions_id_column') %}
with images as (
    select
        c.session_id,
        c.remedy,
        c.before_image,
        c.after_image,
        to_jsonb(s) as current_image,
        c.before_image
        - {{ literal(var('sessions_status_column')) }}
        - {{ literal(var('sessions_logout_at_column')) }}
        - {{ literal(var('sessions_call_id_column')) }} as other_columns_before,
        c.after_image
        - {{ literal(var('sessions_status_column')) }}
        - {{ literal(var('sessions_logout_at_column')) }}
        - {{ literal(var('sessions_call_id_column')) }} as other_columns_after
    from {{ ref('changes') }} as c
    left join {{ source('application', 'agent_sessions') }} as s
        on s.{{ session_id }}
            = c.session_id::{{ app_column_type(columns, 'sessions_id_column') }}
    where c.run_id = $1
)

select
    count(*) as changed,
    count(*) filter (where other_columns_before is distinct from other_columns_after) as other_columns_changed,
    count(*) filter (where current_image is null) as rows_missing,
    count(*) filter (where current_image is distinct from after_image) as changed_since,
    (
        select count(*)
        from {{ ref('skips') }} as k
        where k.run_id = $1
    ) as skipped,
    (
        select r.planned
        from {{ ref('runs') }} as r
        where r.run_id = $1
    ) as planned,
    coalesce(
        array_agg(session_id order by session_id) filter (where current_image is distinct from after_image),
        '{}'
    ) as changed_since_keys
from images
