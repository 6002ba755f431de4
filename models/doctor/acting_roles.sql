-- One row per step: the role that executes it; one that does not exist has no row. $1: ROLLCALL_MIGRATE_ROLE.
-- $2: ROLLCALL_CLEAN_ROLE. Null: the login role.
select
    steps.step,
    r.oid as role_oid,
    r.rolname as role_name,
    r.rolsuper as is_superuser,
    r.rolbypassrls or r.rolsuper as sees_all_rows
from (
    values
    ('assess', current_user::text),
    ('migrate', coalesce($1::text, current_user)),
    ('clean', coalesce($2::text, current_user))
) as steps (step, role_name)
join pg_catalog.pg_roles as r on r.rolname = steps.role_name
