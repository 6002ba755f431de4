-- Calls that are live by their status, but started over four hours ago.
select id
from call_sessions
where status in ('initiated', 'connecting', 'ringing', 'connected', 'queued')
    and ended_at is null
    and started_at <= {now} - interval '4 hours'
