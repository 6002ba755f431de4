-- name: lives of calls
create procedure benchmark_calls(calls integer) language plpgsql as $$
declare
    agents integer[] := array(select id from agents order by id);
    key uuid;
    moment timestamp;
begin
    for n in 1 .. calls loop
        key := gen_random_uuid();
        moment := clock_timestamp() at time zone 'utc';
        insert into call_sessions (id, agent_id, status, direction, started_at)
        values (key, agents[1 + n * 7919 % cardinality(agents)], 'initiated', 'outbound', moment);
        commit;
        update call_sessions
        set status = 'connected', connected_at = moment + interval '5 seconds'
        where id = key;
        commit;
        update call_sessions
        set status = 'completed', ended_at = moment + interval '2 minutes', duration_seconds = 120
        where id = key;
        commit;
    end loop;
end $$;

-- name: sizes of indexes
select
    c.relname,
    pg_relation_size(c.oid) / 1048576.0 as megabytes
from pg_class as c
where c.relname = 'call_sessions' or c.relname like 'rollcall%' and c.relkind = 'i'
order by c.relkind desc, c.relname asc;
