{# A schema of our own. #}
{% macro declared_schema(name, reason) %}
select
    {{ declared_change(
        kind='schema',
        object_name=name,
        state="case when n.oid is null then 'missing' else 'present' end",
        statement='create schema ' ~ quoted(name),
        reason=reason,
        lock='none on the application',
    ) }}
from (select 1) as one
left join pg_catalog.pg_namespace as n on n.nspname = {{ literal(name) }}
{% endmacro %}
