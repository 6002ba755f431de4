{# A schema of our own. #}
{% macro declared_schema(name, reason) %}
select
    'schema' as kind,
    {{ literal(name) }} as object_name,
    case when n.oid is null then 'missing' else 'present' end as state,
    {{ literal('create schema ' ~ quoted(name)) }} as statement,
    {{ literal(reason) }} as reason,
    'none on the application' as lock,
    null::text as warning,
    0 as step,
    true as in_transaction,
    {{ no_comparison() }}
from (select 1) as one
left join pg_catalog.pg_namespace as n on n.nspname = {{ literal(name) }}
{% endmacro %}
