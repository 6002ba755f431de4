-- One row per change that a run made to a session: what was before, what is since, why, and by which run. A change
-- that was undone stays, and says so.
{%- set columns = app_columns('agent_sessions') %}
select
    changes.run_id,
    runs.command,
    runs.approved_by,
    changes.session_id,
    changes.agent_id,
    changes.rules,
    changes.remedy,
    {{ image_value('changes.before_image', 'sessions_status_column') }} as status_before,
    {{ image_value('changes.after_image', 'sessions_status_column') }} as status_after,
    {{ image_value('changes.before_image', 'sessions_call_id_column') }} as call_id_before,
    {{ image_value('changes.after_image', 'sessions_call_id_column') }} as call_id_after,
    {{ image_instant('changes.before_image', columns, 'sessions_logout_at_column') }} as logout_at_before,
    {{ image_instant('changes.after_image', columns, 'sessions_logout_at_column') }} as logout_at_after,
    changes.as_planned,
    changes.changed_at,
    runs.undone_by
from {{ ref('changes') }} as changes
join {{ ref('runs') }} as runs on runs.run_id = changes.run_id
