-- Open sessions without a sign of life for two hours, of agents without a live call.
{evidence}

select id
from changeable
where last_seen < {now} - interval '2 hours'
