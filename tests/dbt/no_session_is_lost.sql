-- What goes in comes out: every session of the application is in the cleaned view or in quarantine once, and nothing
-- else is.
{%- set session_id = quoted(var('sessions_id_column')) %}
with application as (
    select {{ session_id }} as session_id
    from {{ source('application', 'agent_sessions') }}
),

cleaned as (
    select
        session_id,
        count(*) as times
    from (
        select session_id
        from {{ ref('agent_sessions') }}

        union all

        select session_id
        from {{ ref('quarantined_sessions') }}
    ) as shown
    group by session_id
)

select
    application.session_id as in_the_application,
    cleaned.session_id as in_the_view,
    cleaned.times
from application
full join cleaned on cleaned.session_id = application.session_id
where application.session_id is null
    or cleaned.session_id is null
    or cleaned.times > 1
