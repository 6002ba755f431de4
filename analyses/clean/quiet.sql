-- Has nobody else used this database server for a while? One row. Who we may not look at (without pg_read_all_stats)
-- may have. $1: the server processes of our other connections. $2: how long a while is, in seconds.
-- Asked for are clients with a database and a user: no autovacuum, no replica that streams. Not seen is a client that
-- has gone, one that does nothing in a transaction of its own, and what the server runs itself (workers of pg_cron).
select
    not exists (
        select 1
        from pg_catalog.pg_stat_activity as a
        where a.pid <> all($1::int[])
            and a.pid <> pg_catalog.pg_backend_pid()
            and a.datid is not null
            and a.usesysid is not null
            and coalesce(a.backend_type, 'client backend') = 'client backend'
            and (
                coalesce(a.state not like 'idle%', true)
                or a.state_change > clock_timestamp() - $2::double precision * interval '1 second'
            )
    ) as is_quiet
