{%- set columns = app_columns('agents') -%}

with source as (
    select * from {{ app_relation('agents') }}
),

renamed as (
    select
        {{ app_value(columns, 'agents_id_column') }} as agent_id,
        {{ agents_role(columns) }} as role,
        {{ app_flag(columns, 'agents_is_active_column', true) }} as is_active,
        {{ app_flag(columns, 'agents_is_ai_agent_column', false) }} as is_ai_agent
    from source as agent  -- noqa: AL05
)

select
    agent_id,
    role,
    is_active,
    is_ai_agent
from renamed
