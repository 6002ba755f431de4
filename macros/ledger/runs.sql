-- the linter would indent the statements of these macros:
-- noqa: disable=LT02
{#
    The begin of a run in the ledger, for the steps in Python (analyses/ledger) and for the build by dbt
    (macros/materializations/built_days.sql). Each argument is SQL.
#}

{# The two keys of the advisory lock that excludes concurrent runs: "roll" and "call" in ASCII. #}
{% macro lease_keys() -%}
1919904876, 1667329132
{%- endmacro %}


{# approver: null where there is none. #}
{% macro open_run(run_id, command, version, approver) -%}
insert into {{ ref('runs') }} (run_id, command, rollcall_version, approved_by, digests_images)
values ({{ run_id }}, {{ command }}, {{ version }}, {{ approver }}, true)
{%- endmacro %}


{# Take the next fencing token; a run that still works under an older one is refused at the next batch. #}
{% macro take_lease(run_id, holder) -%}
insert into {{ ref('lease') }} as l (name, token, run_id, holder)
values ('pipeline', 1, {{ run_id }}, {{ holder }})
on conflict (name) do update
    set
        token = l.token + 1,
        run_id = excluded.run_id,
        holder = excluded.holder,
        acquired_at = now()
returning token
{%- endmacro %}
