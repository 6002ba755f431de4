-- One row per transaction of others that holds an old snapshot or a lock in this database, and per vacuum of the
-- application's tables. $1: seconds after which a transaction is a long one. No query is shown: it may hold data.
select
    'long_transaction' as finding,
    format(
        'server process %s (%s, user %s), %s, since %s UTC',
        a.pid,
        coalesce(nullif(a.application_name, ''), a.backend_type),
        coalesce(a.usename, 'none'),
        coalesce(a.state, 'of unknown state'),
        to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
    ) as found,
    null as statement
from pg_catalog.pg_stat_activity as a
where a.pid <> pg_catalog.pg_backend_pid()
    and (a.datname = current_database() or (a.datname is null and a.backend_xmin is not null))
    and a.xact_start < clock_timestamp() - $1 * interval '1 second'
    and a.backend_type <> 'autovacuum worker'
union all
select
    'prepared_transaction' as finding,
    format(
        '%L of %I, prepared at %s UTC',
        p.gid,
        p.owner,
        to_char(p.prepared at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
    ) as found,
    null as statement
from pg_catalog.pg_prepared_xacts as p
where p.database = current_database()
union all
select
    'hidden_activity' as finding,
    format('the transactions of %s other sessions of this database are hidden from %I', count(*), session_user)
        as found,
    format('grant pg_read_all_stats to %I', session_user) as statement
from pg_catalog.pg_stat_activity as a
where a.datname = current_database()
    and a.query = '<insufficient privilege>'
having count(*) > 0
union all
select distinct
    'running_vacuum' as finding,
    format('%s is being vacuumed by server process %s (%s)', t.table_name, v.pid, v.phase) as found,
    null as statement
from pg_catalog.pg_stat_progress_vacuum as v
join {{ ref('watched_tables') }} as t on t.table_oid = v.relid
order by finding, found
