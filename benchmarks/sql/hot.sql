-- name: heartbeats
create procedure benchmark_heartbeats(rounds integer) language plpgsql as $$
declare
    keys uuid[];
    key uuid;
    moment timestamp;
begin
    keys := array(select id from agent_sessions where logout_at is null order by md5(id::text));
    for round in 1 .. rounds loop
        foreach key in array keys loop
            moment := clock_timestamp() at time zone 'utc';
            update agent_sessions
            set last_heartbeat = moment, device_connected = true, last_activity = moment
            where id = key;
            commit;
        end loop;
    end loop;
end $$;

-- name: without our indexes
drop index rollcall_open_sessions, rollcall_closed_sessions, rollcall_closed_logins;

-- name: indexes on heartbeats
create index on agent_sessions (last_heartbeat);
create index on agent_sessions (device_connected, last_activity);
