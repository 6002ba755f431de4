-- Profiles and presence as applications on Supabase keep them (the shape is common; rows invented)
create table profiles (id uuid primary key default gen_random_uuid(), full_name text, role text not null default 'agent', created_at timestamptz not null default now());
create table calls (id uuid primary key default gen_random_uuid(), agent_id uuid references profiles (id), status text not null, direction text not null, started_at timestamptz not null default now(), answered_at timestamptz, ended_at timestamptz);
create table agent_presence (user_id uuid primary key references profiles (id), status text not null default 'offline' check (status in ('online', 'busy', 'away', 'offline')), current_call_id uuid references calls (id) on delete set null, last_seen_at timestamptz not null default now());
insert into profiles (id) select md5('a' || g)::uuid from generate_series(1, 5) as g;
insert into calls (id, agent_id, status, direction, started_at, answered_at, ended_at) values
(md5('c3')::uuid, md5('a3')::uuid, 'completed', 'inbound', now() - interval '70 min', now() - interval '69 min', now() - interval '60 min'),
(md5('c4')::uuid, md5('a4')::uuid, 'missed_call', 'inbound', now() - interval '90 min', null, now() - interval '80 min'),
(md5('c5')::uuid, md5('a5')::uuid, 'connected', 'inbound', now() - interval '5 min', now() - interval '4 min', null);
insert into agent_presence (user_id, status, current_call_id, last_seen_at)
select
    md5('a' || g)::uuid,
    (array['online', 'online', 'busy', 'online', 'busy'])[g],
    (array[null, null, md5('c3')::uuid, md5('c4')::uuid, md5('c5')::uuid])[g],
    now() - (array['1 min', '20 hours', '30 min', '30 min', '4 min'])[g]::interval
from generate_series(1, 5) as g;
