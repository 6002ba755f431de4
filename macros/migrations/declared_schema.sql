{# A schema of our own. #}
{% macro declared_schema(name, reason) %}
select
    {{ declared_change(
        kind='schema',
        object_name=literal(name),
        state="case when n.oid is null then 'missing' else 'present' end",
        statement=literal('create schema ' ~ quoted(name)),
        reason=reason,
        lock=literal('none on the application'),
    ) }}
from (select 1) as one
left join pg_catalog.pg_namespace as n on n.nspname = {{ literal(name) }}
{% endmacro %}
