-- One row per column of the application's tables, as the catalog has it: what the compiled SQL depends on. A
-- compilation that was kept is used again only while these rows are the same.
select
    columns.table_name,
    columns.column_name,
    columns.column_type,
    columns.enum_labels,
    columns.is_domain,
    columns.is_of_view,
    columns.has_foreign_equality
from (
    {{ columns_of_tables([var('agents_table'), var('sessions_table'), var('calls_table')] | select('string') | list) }}
) as columns
order by columns.table_name, columns.column_name
