-- A call centre with the default names, and two abandoned sessions.
create table agents (
    id integer primary key,
    role text not null default 'agent',
    is_active boolean not null default true,
    is_ai_agent boolean not null default false
);

create table agent_sessions (
    id integer primary key,
    agent_id integer not null references agents,
    status text not null,
    current_call_session_id integer,
    login_at timestamp(3) not null,
    logout_at timestamp(3),
    last_activity timestamp(3) not null
);

create table call_sessions (
    id integer primary key,
    agent_id integer references agents,
    status text not null,
    direction text not null,
    started_at timestamp(3) not null,
    connected_at timestamp(3),
    ended_at timestamp(3)
);

insert into agents values (1), (2);

-- the first is the session of a wallboard
insert into agent_sessions (id, agent_id, status, login_at, last_activity) values
(11, 1, 'available', timezone('UTC', now()) - interval '9 days', timezone('UTC', now()) - interval '9 days'),
(12, 2, 'available', timezone('UTC', now()) - interval '9 hours', timezone('UTC', now()) - interval '5 hours');
