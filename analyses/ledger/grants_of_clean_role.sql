-- One row per grant on our ledger that the clean-up role still misses, as a statement. $1: the role.
-- the linter would indent `values` and `lateral` as if the join went on:
-- noqa: disable=LT02
select format('grant usage on schema %I to %I', wanted.schema_name, $1::name) as statement
from (values ({{ literal(ref('changes').schema) }})) as wanted (schema_name)
where not pg_catalog.has_schema_privilege($1::name, wanted.schema_name, 'usage')

union all

select format('grant %s on %s to %I', wanted.privilege, wanted.table_name, $1::name) as statement
from (
    values
        ('{{ ref('changes') }}', 'insert'),
        ('{{ ref('changes') }}', 'select'),
        ('{{ ref('change_digests') }}', 'insert'),
        ('{{ ref('change_digests') }}', 'select'),
        ('{{ ref('runs') }}', 'select'),
        ('{{ ref('held_sessions') }}', 'insert'),
        ('{{ ref('held_sessions') }}', 'select'),
        ('{{ ref('held_sessions') }}', 'update')
) as wanted (table_name, privilege)
where not pg_catalog.has_table_privilege($1::name, wanted.table_name, wanted.privilege)
