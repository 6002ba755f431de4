-- A call centre with the default names, and a table of customers that Rollcall does not know.
create table customers (
    id integer primary key,
    time_zone text
);

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
    ended_at timestamp(3),
    customer_id integer
);

insert into agents values (1), (2);

insert into customers values (1, 'Europe/Berlin'), (2, null);

insert into agent_sessions values
(11, 1, 'available', null, timezone('UTC', now()) - interval '1 hour', null, timezone('UTC', now()));

-- the customer of the second call does not exist
insert into call_sessions values
(101, 1, 'failed', 'outbound', timezone('UTC', now()) - interval '50 minutes', null, timezone('UTC', now()), 1),
(102, 1, 'failed', 'outbound', timezone('UTC', now()) - interval '40 minutes', null, timezone('UTC', now()), 9);
