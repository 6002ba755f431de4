-- One row: is the database migrated as far as a look needs it? Without the index of the calls it would read all of them
-- for each agent.
select
    to_regclass({{ literal(ref('presence_intervals').include(database=false)) }}) is not null
    {{ 'and ' ~ calls_are_read_by_agent() if calls_are_looked_up() and is_named_table('call_sessions') }} as is_deployed
