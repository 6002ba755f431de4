-- One row per remedy and set of rules: how many sessions are still to be repaired.
-- read once: open_sessions
select
    remedy,
    rules,
    count(*) as changes
from {{ ref('cleanup_plan') }}
group by remedy, rules
order by remedy, rules
