-- One row: which database this is, whatever name a connection uses for it, and what its clock says.
select
    d.datname::text as database_name,
    d.oid::bigint as database_oid,
    pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute') as may_read_system,
    clock_timestamp() as read_at
from pg_catalog.pg_database as d
where d.datname = current_database()
