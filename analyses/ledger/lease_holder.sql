-- The session that holds the advisory lock of the lease.
select
    a.pid,
    a.application_name,
    a.backend_start,
    a.usename::text as user_name
from pg_catalog.pg_locks as l
join pg_catalog.pg_stat_activity as a on a.pid = l.pid
where l.locktype = 'advisory'
    and l.granted
    and l.database = (
        select d.oid
        from pg_catalog.pg_database as d
        where d.datname = current_database()
    )
    and (l.classid, l.objid) = ({{ lease_keys() }})
    and l.objsubid = 2
