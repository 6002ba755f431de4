-- name: one pass
select
    (select count(*) from public.agent_sessions where logout_at < login_at)
    + (select count(*) from public.call_sessions where ended_at < started_at) as reversed;
