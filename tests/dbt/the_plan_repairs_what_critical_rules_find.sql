-- A critical rule fires exactly where the clean-up plan has a row that names it: so cleaning always leads to READY.
with found as (
    select
        session_id,
        array_remove(
            array[
                case when abandoned_session then 'abandoned_session' end,
                case when orphaned_call_reference then 'orphaned_call_reference' end,
                case when invalid_on_call then 'invalid_on_call' end
            ],
            null
        ) as rules
    from {{ ref('assessed_sessions') }}
    where abandoned_session
        or orphaned_call_reference
        or invalid_on_call
)

select
    found.session_id as is_found,
    planned.session_id as is_planned,
    found.rules,
    planned.rules as planned_rules
from found
full join {{ ref('cleanup_plan') }} as planned on planned.session_id = found.session_id
where found.rules is distinct from planned.rules
