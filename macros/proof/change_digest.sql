{# SQL expression: the digest of a row of `changes`, whatever the settings of the connection. row: its alias. #}
{% macro change_digest(row) -%}
    encode(
        sha256(
            convert_to(
                jsonb_build_array(
                    {{ row }}.run_id,
                    {{ row }}.session_id,
                    {{ row }}.agent_id,
                    to_jsonb({{ row }}.rules),
                    {{ row }}.remedy,
                    {{ row }}.evidence,
                    {{ row }}.before_image,
                    {{ row }}.after_image,
                    {{ row }}.as_planned,
                    extract(epoch from {{ row }}.changed_at)
                )::text,
                'UTF8'
            )
        ),
        'hex'
    )
{%- endmacro %}


{#
    CTE that keeps the digests of the rows that the CTE `recorded` returns.
#}
{% macro recorded_digests() -%}
digested as (
    insert into {{ ref('change_digests') }} (run_id, session_id, digest)
    select
        r.run_id,
        r.session_id,
        {{ change_digest('r') }} as digest
    from recorded as r
)
{%- endmacro %}


{# The columns of `changes` that a digest covers, as an insert returns them. #}
{% macro returning_change() -%}
    returning
        run_id, session_id, agent_id, rules, remedy, evidence, before_image, after_image, as_planned, changed_at
{%- endmacro %}


{# The digest over all digests of a run, in the order of the keys; a SQL query. run_id: a SQL expression. #}
{% macro chained_digest(run_id) -%}
    select
        encode(
            sha256(convert_to(string_agg(d.digest, '' order by d.session_id collate "C"), 'UTF8')), 'hex'
        ) as digest
    from {{ ref('change_digests') }} as d
    where d.run_id = {{ run_id }}
{%- endmacro %}
