-- One row per call with one boolean per rule of the history suite.
select
    c.call_id,
    {{ reversed_call_times('c') }} as reversed_call_times
from {{ ref('stg_call_sessions') }} as c
