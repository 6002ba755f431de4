-- Calls that have ended, but are live by their status.
select id
from call_sessions
where status in ('initiated', 'connecting', 'ringing', 'connected', 'queued')
    and ended_at is not null
