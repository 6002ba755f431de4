{#
    Whether a table is one whose key no index keeps unique, because the application does: the var unindexed_keys. Its keys are
    counted in the rows instead. The rest of a disjunction, or nothing where there is none. name: SQL of its name.
#}
{% macro or_is_unindexed(name) -%}
    {%- set tables = [] -%}
    {%- for part in var('unindexed_keys') -%}
        {%- do tables.append(var(part ~ '_table')) -%}
    {%- endfor -%}
    {%- if tables %} or {{ name }} in ({{ literals(tables) }}){% endif -%}
{%- endmacro %}


{#
    Whether the key of a session, of its agent or of its call names several rows, or none: such a session is left alone.
    The rest of a list of columns, or nothing where indexes keep the keys unique. By agent first, so that a filter on agents
    reaches the table. s: a session with its agent and its call.
#}
{% macro and_ambiguous_key(s) -%}
    {%- if not keys_are_indexed() -%}
,
        {{ s }}.session_id is null
        or count(*) over (partition by {{ s }}.agent_id, {{ s }}.session_id) > 1 as has_ambiguous_key
    {%- endif -%}
{%- endmacro %}
