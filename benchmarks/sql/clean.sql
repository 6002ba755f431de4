-- name: tables
create table benchmark_keys (id uuid primary key);
create table benchmark_images (
    run text not null,
    session_id uuid not null,
    before_image jsonb not null,
    after_image jsonb not null,
    changed_at timestamptz not null default clock_timestamp(),
    primary key (run, session_id)
);
create table benchmark_changes (like rollcall_ops.changes including all);

-- name: bare
update agent_sessions as s
set
    status = 'offline',
    logout_at = greatest(s.login_at, s.last_activity, s.last_heartbeat),
    current_call_session_id = null
from benchmark_keys as k
where k.id = s.id;

-- name: images
with chosen as (
    select s.id, s.agent_id, s.last_activity, to_jsonb(s) as image
    from agent_sessions as s
    where s.id = any(%s::uuid[])
    for no key update
),

changed as (
    update agent_sessions as s
    set
        status = 'offline',
        logout_at = greatest(s.login_at, s.last_activity, s.last_heartbeat),
        current_call_session_id = null
    from chosen as c
    where c.id = s.id
    returning s.id, c.agent_id, c.last_activity, c.image as before_image, to_jsonb(s) as after_image
)

insert into benchmark_images (run, session_id, before_image, after_image)
select 'benchmark', id, before_image, after_image from changed;

-- name: audited
with chosen as (
    select s.id, s.agent_id, s.last_activity, to_jsonb(s) as image
    from agent_sessions as s
    where s.id = any(%s::uuid[])
    for no key update
),

changed as (
    update agent_sessions as s
    set
        status = 'offline',
        logout_at = greatest(s.login_at, s.last_activity, s.last_heartbeat),
        current_call_session_id = null
    from chosen as c
    where c.id = s.id
    returning s.id, c.agent_id, c.last_activity, c.image as before_image, to_jsonb(s) as after_image
)

insert into benchmark_changes (
    run_id, session_id, agent_id, rules, remedy, evidence, before_image, after_image, as_planned
)
select
    'benchmark', id, agent_id, array['abandoned_session'], 'close',
    jsonb_build_object(
        'last_seen_at', last_activity,
        'idle_seconds', round(extract(epoch from localtimestamp - last_activity)),
        'call_exists', null, 'call_status', null, 'call_started_at', null, 'call_ended_at', null
    ),
    before_image, after_image, true
from changed;
