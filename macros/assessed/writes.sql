-- the linter takes the templates for SQL of the query:
-- noqa: disable=LT02
{# The columns of the sessions table that a repair may write, in the order of the update. #}
{% macro written_columns() %}
    {% set names = [] %}
    {% for column_var in ['sessions_status_column', 'sessions_logout_at_column', 'sessions_call_id_column'] %}
        {% if is_written(column_var) %}
            {% do names.append(mapping_of(column_var)['column']) %}
        {% endif %}
    {% endfor %}
    {% for name in other_written_columns() if name not in names %}
        {% do names.append(name) %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}


{#
    What a repair writes to a column that the vars sessions_on_* declare.
    r: the alias of the repair (remedy, status_after); s: that of the session, for a repair that leaves it as it is.
#}
{% macro declared_write(columns, name, r, s) -%}
    case
        {% if name in var('sessions_on_close') -%}
        when {{ r }}.remedy = 'close' then {{ written_value(columns, name, var('sessions_on_close')[name]) }}
        {% endif -%}
        {% if name in var('sessions_on_available') -%}
        when {{ r }}.remedy = 'reset_status' and {{ r }}.status_after = {{ literal(available_statuses()[0]) }}
            then {{ written_value(columns, name, var('sessions_on_available')[name]) }}
        {% endif -%}
        {% if name in var('sessions_on_break') -%}
        when {{ r }}.remedy = 'reset_status' and {{ r }}.status_after = {{ literal(break_statuses()[0]) }}
            then {{ written_value(columns, name, var('sessions_on_break')[name]) }}
        {% endif -%}
        else {{ s }}.{{ quoted(name) }}
    end
{%- endmacro %}


{# A declared value as SQL: {instant: now}, {epoch: now} in whole seconds, null, or a constant. #}
{% macro written_value(columns, name, value) -%}
    {%- set type = columns.get(name, {}).get('type', 'text') -%}
    {%- if value is mapping and 'instant' in value -%}
        {{ from_instant('now()', type) }}
    {%- elif value is mapping -%}
        floor(extract(epoch from now()))::{{ type }}
    {%- elif value is none -%}
        null::{{ type }}
    {%- else -%}
        {{ literal(value | lower if value is boolean else value) }}::{{ type }}
    {%- endif -%}
{%- endmacro %}


{#
    The declared writes of a repair (remedy, status_after) as a plan shows them: now is not yet known. The rest of the
    arguments of jsonb_build_object, or nothing.
#}
{% macro and_declared_writes() -%}
    {%- if other_written_columns() -%}
    , 'other', case
        when remedy = 'close' then {{ literal(var('sessions_on_close') | tojson) }}::jsonb
        when remedy = 'reset_status' and status_after = {{ literal(available_statuses()[0]) }}
            then {{ literal(var('sessions_on_available') | tojson) }}::jsonb
        when remedy = 'reset_status' then {{ literal(var('sessions_on_break') | tojson) }}::jsonb
        else '{}'::jsonb
    end
    {%- endif -%}
{%- endmacro %}


{# The status of a repair as the application stores it. r: the alias of the repair; s: that of the session. #}
{% macro written_status(columns, r, s) -%}
    {%- set mapping = mapping_of('sessions_status_column') -%}
    {%- set type = app_raw_type(columns, 'sessions_status_column') -%}
    {%- if mapping['values'] -%}
        case
            when {{ r }}.remedy = 'clear_reference' then {{ s }}.{{ quoted(mapping['column']) }}
            else (
                case {{ r }}.status_after
                    {%- for name in written_statuses() %}
                    when {{ literal(name) }} then {{ literal(raw_value(mapping['values'], name)) }}
                    {%- endfor %}
                end
            )::{{ type }}
        end
    {%- elif mapping['sql'] is not none -%}
        case
            when {{ r }}.remedy = 'clear_reference' then {{ s }}.{{ quoted(mapping['column']) }}
            else {{ r }}.status_after::{{ type }}
        end
    {%- else -%}
        {{ r }}.status_after::{{ type }}
    {%- endif -%}
{%- endmacro %}


{# Whether a session that was changed holds what its repair writes. r: the alias of the repair; s: of the session. #}
{% macro is_as_planned(columns, r, s) -%}
    {%- set facts = [] -%}
    {%- if is_written('sessions_status_column') -%}
        {%- set status = s ~ '.' ~ app_column(columns, 'sessions_status_column') -%}
        {%- do facts.append(
            status ~ '::text = ' ~ r ~ '.status_after' if is_read_as_written('sessions_status_column')
            else status ~ ' is not distinct from ' ~ written_status(columns, r, s)
        ) -%}
    {%- endif -%}
    {%- if is_written('sessions_logout_at_column') -%}
        {%- set logout_at = s ~ '.' ~ app_column(columns, 'sessions_logout_at_column') -%}
        {%- do facts.append(logout_at ~ ' is not distinct from ' ~ r ~ '.logout_at_after') -%}
    {%- endif -%}
    {%- if is_written('sessions_call_id_column') -%}
        {%- set call_id = s ~ '.' ~ app_column(columns, 'sessions_call_id_column') -%}
        {%- do facts.append(call_id ~ (' is null' if var('sessions_no_call') is none else ' = ' ~ no_call())) -%}
    {%- endif -%}
    {%- for name in other_written_columns() -%}
        {%- do facts.append(
            s ~ '.' ~ quoted(name) ~ ' is not distinct from ' ~ declared_write(columns, name, r, s)
        ) -%}
    {%- endfor -%}
    {{ facts | join(' and ') }}
{%- endmacro %}


{# The first raw value that has this name. #}
{% macro raw_value(names, wanted) %}
    {% for raw, name in names.items() if name == wanted %}
        {{ return(raw) }}
    {% endfor %}
    {{ return(wanted) }}
{% endmacro %}


{# A reference to no call, as the application stores it. #}
{% macro no_call() -%}
    {{ 'null' if var('sessions_no_call') is none else literal(var('sessions_no_call')) }}
{%- endmacro %}


{# A column of the sessions table by its name, of a domain as its base type. #}
{% macro stored_value(columns, name) -%}
    {%- set column = columns.get(name, {}) -%}
    {{ quoted(name) }}{{ "::" ~ column.type if column.is_domain }}
{%- endmacro %}


{# The column that is read as it is stored; where there is none no name, which is that of no column. #}
{% macro stored_name(column_var) %}
    {{ return(mapping_of(column_var)['column'] if is_read_as_written(column_var) else '') }}
{% endmacro %}


{# Statuses as the application stores them. names: of raw values, or none. #}
{% macro raw_values(names, statuses) %}
    {% set values = [] %}
    {% for status in statuses %}
        {% do values.append(raw_value(names, status) if names else status) %}
    {% endfor %}
    {{ return(values) }}
{% endmacro %}


{# The column that a key is; of an expression no name, which is that of no column. #}
{% macro key_name(column_var) %}
    {{ return(mapping_of(column_var)['column'] if is_plain(column_var) else '') }}
{% endmacro %}
