-- One row per table whose name begins with the name of a Django app: the app, the model, and the app's latest
-- migration. $1: names of tables.
select distinct on (t.table_name)
    t.table_name,
    m.app,
    m.name,
    substr(t.table_name, length(m.app) + 2) as model
from unnest($1::text[]) as t (table_name)
join {{ quoted(var('app_schema')) }}.django_migrations as m on starts_with(t.table_name, m.app || '_')
order by t.table_name asc, length(m.app) desc, m.id desc
