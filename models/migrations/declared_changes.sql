{{ config(tags='catalog') }}
-- One row per declared change in the order of execution, with its state in the catalog. Every file of this folder
-- that is not tagged `catalog` declares changes: to add one is to add a file, and no list has to be kept beside it.
{%- set changes = [] -%}
{%- if execute and graph is mapping -%}
    {%- for node in graph.nodes.values() | sort(attribute='name')
        if node.path.startswith('migrations/') and 'catalog' not in node.tags -%}
        {%- do changes.append(render(node.raw_code)) -%}
    {%- endfor -%}
{%- endif %}
with declared as (
    {% for change in changes or ['select * from ' ~ ref('rollcall_schemas')] %}
        select
            {{ loop.index }} as file,
            c.*
        from ({{ change }}) as c
        {{ "union all" if not loop.last }}
    {% endfor %}
)

select
    kind,
    object_name,
    state,
    statement,
    reason,
    lock,
    warning,
    in_transaction,
    table_sql,
    declared_expressions,
    former_expressions,
    found_expressions,
    state in ('missing', 'invalid', 'building') as is_pending,
    row_number() over (
        order by array_position(array['schema', 'column', 'comment', 'index'], kind), file, step, object_name
    ) as position
from declared
order by position
