-- One row per latest revision of Alembic.
select version_num as name
from {{ quoted(var('app_schema')) }}.alembic_version
order by version_num
