-- The tables of a call-centre application, as its own migrations would have left them before
-- Rollcall comes. Read by schema.py, one section at a time; {placeholders} are the names that the
-- vars of dbt_project.yml configure, and the types that a Variant chooses.

-- section: types (only when the statuses are enums)

create type {session_status_type} as enum ({session_statuses});

create type {call_status_type} as enum ({call_statuses});

-- section: tables

create table {agents_table} (
    {agents_id_column} {agent_key_definition},
    email text not null,
    first_name text,
    last_name text,
    {agents_role_column} text not null default 'agent',
    {agents_is_active_column} boolean not null default true,
    {agents_is_ai_agent_column} boolean not null default false,
    created_at {timestamp} not null default {now},
    updated_at {timestamp} not null default {now}
);

create table {sessions_table} (
    {sessions_id_column} {key_definition},
    {sessions_agent_id_column} {agent_key} not null,
    {sessions_status_column} {session_status_type} not null default {offline_status},
    -- no foreign key: the nightly purge deletes calls that sessions still refer to
    {sessions_call_id_column} {key},
    {sessions_login_at_column} {timestamp} not null default {now},
    {sessions_logout_at_column} {timestamp},
    {sessions_last_activity_column} {timestamp} not null default {now},
    calls_completed_today integer not null default 0,
    total_talk_time_seconds integer not null default 0,
    auto_dialer_active boolean not null default false
) {sessions_partitioning};

create table {calls_table} (
    {calls_id_column} {key_definition},
    user_id bigint,
    -- null while an inbound call waits in the queue
    {calls_agent_id_column} {agent_key},
    {calls_status_column} {call_status_type} not null default {initiated_status},
    {calls_direction_column} text not null,
    {calls_started_at_column} {timestamp} not null default {now},
    {calls_connected_at_column} {timestamp},
    {calls_ended_at_column} {timestamp},
    duration_seconds integer,
    talk_time_seconds integer,
    created_at {timestamp} not null default {now},
    updated_at {timestamp} not null default {now}
);

-- section: migrated (only when asked for: what Rollcall's own migration adds)

alter table {sessions_table}
    add column {sessions_last_heartbeat_column} {timestamp},
    add column {sessions_device_connected_column} boolean default false,
    add column {sessions_max_concurrent_calls_column} integer default 1;

-- section: keys and indexes (after the data: so it loads fastest)

alter table {agents_table} add primary key ({agents_id_column});

alter table {agents_table} add constraint agents_email_key unique (email);

alter table {sessions_table} add primary key ({sessions_id_column});

alter table {calls_table} add primary key ({calls_id_column});

create index on {sessions_table} ({sessions_agent_id_column});

create index on {calls_table} ({calls_agent_id_column});

create index on {calls_table} (user_id);

alter table {calls_table}
    add foreign key ({calls_agent_id_column}) references {agents_table} ({agents_id_column});

-- section: foreign key of the sessions (left out when sessions of unknown agents are planted)

alter table {sessions_table}
    add foreign key ({sessions_agent_id_column}) references {agents_table} ({agents_id_column});

-- section: truth (beside the application's data, for tests)

create schema demo_truth;

-- one row per open session
create table demo_truth.sessions (
    session_id text primary key,
    kind text not null,                  -- the function of cases or history that planted it
    really_alive boolean not null,
    rules text[] not null,               -- those that judge single sessions, in the order of the rules
    expected text not null check (
        expected in ('untouched', 'closed', 'reference_cleared', 'status_reset')
    ),
    expected_status text not null,       -- what cleaning leaves in the status column
    expected_logout_at timestamptz       -- the last sign of life, where a session is to be closed
);

-- one row per rule
create table demo_truth.violations (
    rule text primary key,
    violations bigint not null
);
