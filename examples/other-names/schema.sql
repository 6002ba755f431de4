-- A call centre with quoted camelCase names, enums and timestamptz, in the schema crm.
create schema crm;

create type crm."SessionStatus" as enum ('AVAILABLE', 'IN_CALL', 'PAUSE', 'LOGGED_OUT');

create type crm."CallStatus" as enum ('DIALLING', 'TALKING', 'DONE', 'MISSED');

create table crm."Users" (
    "userId" bigint primary key,
    kind text not null,
    enabled boolean not null,
    "isBot" boolean not null default false
);

create table crm."agentSessions" (
    "sessionId" bigint primary key,
    "userId" bigint not null references crm."Users",
    status crm."SessionStatus" not null,
    "currentCallId" bigint,
    "loginAt" timestamptz not null,
    "logoutAt" timestamptz,
    "lastActivity" timestamptz not null
);

create table crm."phoneCalls" (
    "callId" bigint primary key,
    "userId" bigint references crm."Users",
    status crm."CallStatus" not null,
    direction text not null,
    "startedAt" timestamptz not null,
    "connectedAt" timestamptz,
    "endedAt" timestamptz
);

insert into crm."Users" values (1, 'AGENT', true), (2, 'AGENT', true), (3, 'AGENT', true), (4, 'BOSS', true);

-- talking; gone for hours; stuck in a call that ended
insert into crm."agentSessions" values
(11, 1, 'IN_CALL', 101, now() - interval '3 hours', null, now() - interval '20 minutes'),
(12, 2, 'AVAILABLE', null, now() - interval '9 hours', null, now() - interval '5 hours'),
(13, 3, 'IN_CALL', 102, now() - interval '3 hours', null, now() - interval '40 minutes');

insert into crm."phoneCalls" values
(101, 1, 'TALKING', 'out', now() - interval '20 minutes', now() - interval '19 minutes', null),
(102, 3, 'DONE', 'out', now() - interval '60 minutes', now() - interval '59 minutes', now() - interval '40 minutes');
