{#
    SQL expression: the digest of a row of `changes`, whatever the settings of the connection. row: its alias.
    It is the digest of the text of one JSON array, as in all earlier versions. The text is put together from the texts
    of its elements: with jsonb_build_array, which copies both images, a digest takes nearly twice as long.
#}
{% macro change_digest(row) -%}
    encode(
        sha256(
            convert_to(
                format(
                    '[%s, %s, %s, %s, %s, %s, %s, %s, %s, %s]',
                    to_json({{ row }}.run_id),
                    to_json({{ row }}.session_id),
                    coalesce(to_json({{ row }}.agent_id)::text, 'null'),
                    to_jsonb({{ row }}.rules),
                    to_json({{ row }}.remedy),
                    {{ row }}.evidence,
                    {{ row }}.before_image,
                    {{ row }}.after_image,
                    to_json({{ row }}.as_planned),
                    extract(epoch from {{ row }}.changed_at)
                ),
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
