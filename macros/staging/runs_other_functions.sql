{#
    Whether a CHECK constraint runs a function or an operator that is not PostgreSQL's own. Such a constraint is not
    evaluated beforehand: that would run the code of the table's owner. k: an alias of pg_constraint.
#}
{% macro runs_other_functions(k) -%}
    exists (
        select 1
        from pg_catalog.pg_depend as used
        where used.classid = 'pg_catalog.pg_constraint'::regclass
            and used.objid = {{ k }}.oid
            and used.refclassid in ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass)
    )
{%- endmacro %}
