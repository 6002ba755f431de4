-- The session that holds the advisory lock. $1, $2: the lock's two keys.
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
    and l.classid = $1::oid
    and l.objid = $2::oid
    and l.objsubid = 2
