-- One row: which cluster this is. Some providers keep this function for themselves.
select c.system_identifier::text as system_identifier
from pg_catalog.pg_control_system() as c
