-- the linter takes the templates for SQL of the query:
-- noqa: disable=LT02
{#
    How often each rule of the schema suite is violated, in one row; a query.
    changes: a relation of kind and state, one row per declared change.
#}
{% macro schema_counts_of(changes) -%}
with changes as (
    select
        count(*) filter (where kind in ('column', 'comment') and state = 'missing') as missing_column,
        count(*) filter (where kind = 'index' and state = 'missing') as missing_index,
        count(*) filter (where kind = 'index' and state = 'invalid') as invalid_index,
        count(*) filter (where state = 'building') as building_index,
        count(*) filter (where kind = 'schema' and state = 'missing') as missing_own_object,
        count(*) filter (where kind = 'column' and state = 'conflicting') as conflicting_column,
        count(*) filter (where kind = 'index' and state = 'conflicting') as conflicting_index
    from {{ changes }}
),

tables as (
    select
        count(*) filter (where not is_readable) as missing_select_privilege,
        count(*) filter (where is_filtered) as hidden_rows,
        count(*) filter (where not has_primary_key) as missing_primary_key
    from {{ ref('application_tables') }}
),

obstacles as (
    select
        count(*) filter (where finding = 'missing_replica_identity') as missing_replica_identity,
        count(*) filter (where finding = 'session_update_rule') as session_update_rule,
        count(*) filter (where finding = 'status_not_in_enum') as status_not_in_enum,
        count(*) filter (where finding = 'agents_key_not_unique') as agents_key_not_unique,
        count(*) filter (where finding = 'sessions_key_not_unique') as sessions_key_not_unique,
        count(*) filter (where finding = 'calls_key_not_unique') as calls_key_not_unique,
        count(*) filter (where finding = 'child_table') as child_table
    from {{ ref('update_obstacles') }}
)

select
    changes.missing_column,
    changes.missing_index,
    changes.invalid_index,
    changes.building_index,
    changes.missing_own_object,
    changes.conflicting_column,
    changes.conflicting_index,
    tables.missing_select_privilege,
    tables.hidden_rows,
    tables.missing_primary_key,
    obstacles.missing_replica_identity,
    obstacles.session_update_rule,
    obstacles.status_not_in_enum,
    obstacles.agents_key_not_unique,
    obstacles.sessions_key_not_unique,
    obstacles.calls_key_not_unique,
    obstacles.child_table
from changes
cross join tables
cross join obstacles
{%- endmacro %}
