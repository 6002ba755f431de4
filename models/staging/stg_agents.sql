{%- set columns = app_columns('agents') -%}

with source as (
    select * from {{ source('application', 'agents') }}
),

renamed as (
    select
        {{ app_value(columns, 'agents_id_column') }} as agent_id,
        {{ app_value(columns, 'agents_role_column') }}::text as role,
        coalesce({{ app_value(columns, 'agents_is_active_column') }}, false) as is_active,
        coalesce({{ app_value(columns, 'agents_is_ai_agent_column') }}, false) as is_ai_agent
    from source
)

select
    agent_id,
    role,
    is_active,
    is_ai_agent
from renamed
