-- name: agent_days, one day
select * from rollcall.agent_days
where business_day = current_date - 3;

-- name: agent_days, one agent
select * from rollcall.agent_days
where agent_id = '17';

-- name: agent_intervals, one agent
select * from rollcall.agent_intervals
where agent_id = '17';

-- name: queue_intervals, one day
select * from rollcall.queue_intervals
where business_day = current_date - 3;

-- name: agent_sessions, one agent
select * from rollcall.agent_sessions
where agent_id = 17;

-- name: calls, one agent
select * from rollcall.calls
where agent_id = 17;

-- name: agent_intervals, one day
select * from rollcall.agent_intervals
where business_day = current_date - 3;

-- name: agent_sessions, one login day
select * from rollcall.agent_sessions
where login_at >= current_date - 3
    and login_at < current_date - 2;

-- name: calls, one day
select * from rollcall.calls
where started_at >= current_date - 3
    and started_at < current_date - 2;
