-- The run that is to be undone. $1: run_id. No row: there is none.
select
    r.command,
    r.undoes,
    r.undone_by,
    count(c.session_id) as changes,
    {% if is_written('sessions_status_column') %}
        coalesce(
            array_agg(distinct c.before_image ->> {{ literal(mapping_of('sessions_status_column')['column']) }})
            filter (where c.session_id is not null),
            '{}'
        ) as statuses
    {% else %}
        '{}'::text[] as statuses
    {% endif %}
from {{ ref('runs') }} as r
left join {{ ref('changes') }} as c on c.run_id = r.run_id
where r.run_id = $1
group by r.run_id
