-- The tables of an application with a row per agent, as its own migrations would have left them before Rollcall comes.
-- Read by tables.py, one section at a time; {placeholders} are the names that the vars configure.

-- section: agents

create table {agents_table} (
    {agents_id_column} serial primary key,
    email text not null unique,
    created_at timestamptz not null default now()
);

-- section: agents_role_column (a column of agents that the application may have)

alter table {agents_table} add column {agents_role_column} text not null default {agent_role};

-- section: agents_is_active_column (the same)

alter table {agents_table} add column {agents_is_active_column} boolean not null default true;

-- section: agents_is_ai_agent_column (the same)

alter table {agents_table} add column {agents_is_ai_agent_column} boolean not null default false;

-- section: calls

create table {calls_table} (
    {calls_id_column} uuid primary key default gen_random_uuid(),
    {calls_agent_id_column} integer references {agents_table} ({agents_id_column}),
    {calls_status_column} text not null default {initiated_status},
    {calls_direction_column} text not null,
    {calls_started_at_column} timestamptz not null default now(),
    {calls_connected_at_column} timestamptz,
    {calls_ended_at_column} timestamptz
);

create index on {calls_table} ({calls_agent_id_column});

-- section: rows (where they are a table of their own)

create table {sessions_table} (
    {sessions_id_column} serial primary key,
    {sessions_agent_id_column} integer not null unique references {agents_table} ({agents_id_column})
);

-- section: status

-- no foreign key: the nightly purge deletes calls that rows still refer to
alter table {sessions_table}
    add column {sessions_status_column} text not null default {offline_status},
    add column {sessions_call_id_column} uuid,
    add column {sessions_last_activity_column} timestamptz not null default now();

-- section: mark

create schema demo_truth;
