-- the linter cannot follow the loop over the columns:
-- noqa: disable=LT02
{#
    Compare a view with its contract: exactly the columns that its yml names, each with its type. It runs in the transaction
    that made the view, which a difference undoes. dbt's own comparison knows no uuid and takes an integer for a smallint.
#}
{% macro assert_contract(relation, columns) %}
    {% call statement('contract', fetch_result=True) %}
        {{ contract_differences(relation, columns) }}
    {% endcall %}
    {% set differences = load_result('contract')['data'] | map(attribute=0) | list %}
    {% if differences %}
        {% do exceptions.raise_compiler_error(
            "rollcall: the columns of " ~ relation ~ " are not those of its contract (" ~ differences | join('; ') ~ ")"
        ) %}
    {% endif %}
{% endmacro %}


{# One row per difference, as text. #}
{% macro contract_differences(relation, columns) -%}
    select
        format(
            '%s: declared %s, deployed %s',
            coalesce(declared.column_name, found.column_name),
            coalesce(array_to_string(declared.type_names, ' or '), 'nowhere'),
            coalesce(found.type_id::regtype::text, 'nowhere')
        ) as difference
    from (
        {% for column in columns %}
            select
                {{ literal(column.name) }} as column_name,
                array[{{ literals(contract_types(column)) }}] as type_names
            {{ 'union all' if not loop.last }}
        {% endfor %}
    ) as declared
    full join (
        select
            a.attname::text as column_name,
            base.type_id
        from pg_catalog.pg_attribute as a
        cross join {{ base_type('a.atttypid', 'a.atttypmod') }} as base
        where a.attrelid = {{ literal(relation) }}::regclass
            and a.attnum > 0
            and not a.attisdropped
    ) as found on found.column_name = declared.column_name
    where coalesce(found.type_id <> all(declared.type_names::regtype[]::oid[]), true)
{%- endmacro %}


{#
    The types that a column may have: its data_type, or those of the application's columns that `type_of` names, by their vars.
    column: a column of the yml.
#}
{% macro contract_types(column) %}
    {% set types = [] %}
    {% for column_var in column.get('config', {}).get('meta', {}).get('type_of', []) %}
        {% do types.append(app_column_type(app_columns(source_of(column_var.split('_')[0])), column_var)) %}
    {% endfor %}
    {{ return(types or [column.data_type]) }}
{% endmacro %}
