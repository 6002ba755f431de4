-- Questions of the analysts' cookbook, asked of the application's tables by hand: default names, naive UTC times. Each
-- is named after a phrase of the cookbook's query.

-- as level_of_hour
select
    extract(hour from started_at at time zone 'UTC' at time zone 'UTC') as local_hour_of_day,
    count(*) as offered,
    (count(*) filter (where connected_at <= started_at + interval '20 seconds'))::numeric / count(*) as level_of_hour
from call_sessions
where direction = 'inbound'
    and (connected_at is not null or ended_at is not null or started_at < now() at time zone 'UTC' - interval '4 hours')
group by local_hour_of_day
order by local_hour_of_day;

-- as hours_of_talk
select
    agent_id,
    date_trunc('week', connected_at) as week,
    sum(extract(epoch from ended_at - connected_at)) / 3600 as hours_of_talk
from call_sessions
where ended_at > connected_at
group by week, agent_id
order by week, agent_id;

-- as talking_hours
select
    agent_id,
    count(connected_at) filter (where direction = 'inbound') as answered,
    sum(extract(epoch from ended_at - connected_at)) filter (where ended_at >= connected_at) / 3600 as talking_hours
from call_sessions
where agent_id is not null
group by agent_id
order by talking_hours desc nulls last;

-- as average_talk_seconds
select
    direction,
    count(*) as calls,
    count(connected_at) as answered,
    sum(extract(epoch from ended_at - connected_at)) filter (where ended_at >= connected_at) / 3600 as talk_hours,
    avg(extract(epoch from ended_at - connected_at)) filter (where ended_at >= connected_at) as average_talk_seconds
from call_sessions
where agent_id = (select agent_id from call_sessions where agent_id is not null limit 1)
group by direction
order by direction;

-- as service_level
select
    date_trunc('hour', started_at) as local_hour,
    count(*) as offered,
    count(connected_at) as answered,
    avg(extract(epoch from connected_at - started_at)) as average_speed_of_answer,
    (count(*) filter (where connected_at <= started_at + interval '20 seconds'))::numeric / count(*) as service_level
from call_sessions
where direction = 'inbound'
    and (connected_at is not null or ended_at is not null or started_at < now() at time zone 'UTC' - interval '4 hours')
group by local_hour
order by local_hour;

-- from rollcall.agent_sessions
select
    agent_id,
    (login_at at time zone 'UTC' at time zone 'Europe/Berlin')::date as local_day,
    count(*) as sessions,
    sum(extract(epoch from coalesce(logout_at, now() at time zone 'UTC') - login_at)) / 3600 as logged_in_hours
from agent_sessions
where logout_at is null or logout_at >= login_at
group by agent_id, local_day
order by local_day desc, logged_in_hours desc;
