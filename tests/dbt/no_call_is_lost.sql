-- What goes in comes out: the cleaned view has as many rows of each key as the application.
with application as (
    select
        call_id,
        count(*) as times
    from {{ ref('stg_call_sessions') }}
    group by call_id
),

cleaned as (
    select
        call_id,
        count(*) as times
    from {{ ref('calls') }}
    group by call_id
)

select
    application.call_id as in_the_application,
    cleaned.call_id as in_the_view
from application
full join cleaned on cleaned.call_id = application.call_id
where application.times is distinct from cleaned.times
