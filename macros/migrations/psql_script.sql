{#
    The missing statements as a script for psql, which may be run again: each is sent only while the catalog says that
    its object is missing. Rendered by itself in rollcall/script.py: it must not need dbt's context.
    parts: by title, the statements, each with `name`, `notes`, `timeouts`, `create`, `drop` (of an index that our
    ledger says we made, else none), `creates` (names of our new relations) and `is_own`.
    queries: the compiled SQL by name. declared: our relations, see object_states; acting, rollcall_names, unfinished: names.
    The layout is that of the script, and not of the Jinja around it:
-- sqlfluff:exclude_rules:AM05,RF04,ST09,LT02
#}
{% macro psql_script(version, database, parts, queries, declared, acting, rollcall_names, unfinished, workers) -%}
-- What Rollcall {{ version }} still needs in the database {{ database }}.
-- For psql, outside a transaction. A statement that cannot have its lock in time fails and changes nothing: run the
-- script again. What is there already is not sent again; what is there and differs from its declaration ends the
-- script. Part 1 is for the owner of the application's tables; part 2 `rollcall migrate` can make as well.
\set ON_ERROR_STOP on
-- nothing is found by its name alone outside pg_catalog
set search_path = '';
set standard_conforming_strings = on;
-- to compile the queries on the catalog would take longer than to execute them
set jit = off;

-- The state of each object, read from the catalog; a former run in this session may have left these.
deallocate all;
prepare rollcall_changes (text) as
select
    c.*,
    c.state = 'missing' as is_missing,
    c.state = 'invalid' as is_unfinished
from (
{{ queries.declared_changes }}
) as c
where $1 is null or c.object_name = $1;

prepare rollcall_relations (text, text) as
select
    c.*,
    c.state = 'missing' as is_missing
from (
{{ queries.object_states }}
) as c;

prepare rollcall_faults (text[], text[]) as
{{ queries.rollcall_object_faults }};

prepare rollcall_dependencies (text[]) as
{{ queries.foreign_dependencies }};

prepare rollcall_grants (text[]) as
{{ queries.default_grants }};

select pg_catalog.set_config('rollcall.declared', {{ _text(declared) }}, false) as declared \gset rollcall_

-- Nothing is sent while an object is not what is declared.
{{ _script_check(acting, rollcall_names, unfinished, is_last=false) }}
{%- for title, statements in parts %}

-- {{ title }} {{ '-' * (96 - title | length) }}
{%- set last = namespace(timeouts=none) %}
{%- for statement in statements %}
{%- if statement.timeouts != last.timeouts %}

set lock_timeout = '{{ statement.timeouts[0] }}ms';
set statement_timeout = '{{ statement.timeouts[1] }}ms';
set max_parallel_maintenance_workers = {{ workers }};
{%- set last.timeouts = statement.timeouts %}
{%- endif %}

{%- for note in statement.notes %}
{{ '\n' if loop.first }}-- {{ note }}
{%- endfor %}
{%- if statement.is_own %}
execute rollcall_relations(current_setting('rollcall.declared'), {{ _text(statement.name) }}) \gset rollcall_
{%- else %}
execute rollcall_changes({{ _text(statement.name) }}) \gset rollcall_
{%- endif %}
{%- if statement.drop is not none %}
\if :rollcall_is_unfinished
-- Rollcall's ledger says that Rollcall made this index and did not finish it
{{ statement.drop }};
\set rollcall_is_missing true
\endif
{%- endif %}
\if :rollcall_is_missing
{%- if statement.creates %}
begin;
{{ statement.create }};
-- what default privileges gave away, the new object takes back at once
execute rollcall_grants({{ _text(_names(statement.creates)) }}) \gexec
commit;
{%- else %}
{{ statement.create }};
{%- endif %}
\else
\echo :rollcall_object_name is :rollcall_state
\endif
{%- endfor %}
{%- endfor %}

-- Every object has to be there now, and to be what is declared.
{{ _script_check(acting, rollcall_names, unfinished, is_last=true) }}
deallocate all;
{%- endmacro %}


{# Ends the script with an error that names every object that is in the way, or, at its end, that is missing. #}
{% macro _script_check(acting, rollcall_names, unfinished, is_last) -%}
do $rollcall$
declare
    item record;
    shown json;
    columns text[];
    keys integer;
    is_other boolean;
    problems text[] := '{}';
begin
    for item in execute 'execute rollcall_changes(null)' loop
        is_other := item.state = 'conflicting';
        if item.found_expressions is not null and not is_other then
            -- whether two expressions are the same, the server says where it explains a query with both; an index that
            -- an earlier version declared is kept
            keys := cardinality(item.declared_expressions);
            begin
                execute format(
                    'explain (verbose, costs off, format json) select (%s) from %s where false',
                    array_to_string(
                        item.declared_expressions || item.found_expressions || item.former_expressions, '), ('
                    ),
                    item.table_sql
                ) into shown;
                columns := array(select json_array_elements_text(shown -> 0 -> 'Plan' -> 'Output'));
                is_other := cardinality(columns) <> 3 * keys
                    or columns[keys + 1:2 * keys] <> columns[:keys]
                    and columns[keys + 1:2 * keys] <> columns[2 * keys + 1:];
            exception
                when data_exception or cannot_coerce or datatype_mismatch or undefined_column
                    or undefined_function then
                    is_other := true;
            end;
        end if;
        if is_other then
            problems := problems || format('%s exists and differs from its declaration', item.object_name);
        elsif item.state = 'building' then
            problems := problems || format('%s is being built; wait until that has ended', item.object_name);
        elsif item.state = 'invalid' and ({{ 'true' if is_last else 'false' }}
            or item.object_name <> all({{ _text(_names(unfinished)) }}::text[])) then
            problems := problems || format(
                '%s is an invalid index, which a build that was cancelled or failed has left; once no build of it '
                'is running (pg_stat_progress_create_index shows each), execute: %s;',
                item.object_name,
                split_part(item.statement, '; create index ', 1)
            );
        {%- if is_last %}
        elsif item.state <> 'present' then
            problems := problems || format('%s is missing', item.object_name);
        {%- endif %}
        end if;
    end loop;
    for item in execute 'execute rollcall_relations(current_setting(''rollcall.declared''), null)' loop
        if item.state = 'conflicting' then
            problems := problems || format('%s exists and is not what Rollcall declares', item.object_name);
        {%- if is_last %}
        elsif item.state <> 'present' then
            problems := problems || format('%s is missing', item.object_name);
        {%- endif %}
        end if;
    end loop;
    for item in execute format('execute rollcall_faults(%L, %L)', {{ _text(_names(acting)) }}, {{ _text(_names(rollcall_names)) }}) loop
        problems := problems || format('%s: %s', item.object_name, item.reason);
    end loop;
    {%- if is_last %}
    for item in execute format('execute rollcall_dependencies(%L)', {{ _text(_names(acting)) }}) loop
        problems := problems || format('%s: %s', item.relation_name, item.found);
    end loop;
    {%- endif %}
    if problems <> '{}' then
        raise exception using
            message = 'the script of Rollcall is not done: ' || array_to_string(problems, '; '),
            hint = 'Put right what is named. Then run the script again: it goes on where it stopped.';
    end if;
end
$rollcall$;
{%- endmacro %}


{# A text as SQL. #}
{% macro _text(value) -%}
'{{ value | replace("'", "''") }}'
{%- endmacro %}


{# Names as the text of an array. #}
{% macro _names(names) -%}
{ {%- for name in names %}"{{ name | replace('\\', '\\\\') | replace('"', '\\"') }}"{{ ',' if not loop.last }}{% endfor -%} }
{%- endmacro %}
