{{ config(tags='catalog') }}
-- One row: whether a table of the application or a partition of one has row-level security, and whether this server can
-- apply it for the reader of a view (security_invoker, PostgreSQL 15).
select
    tables.is_enabled,
    current_setting('server_version_num')::integer >= 150000 as views_can_apply_it
from (
    {{ row_security_of_application() }}
) as tables
