-- One row per day that was built, for the metrics. Only dbt makes this view, in the schema of its target.
{{- config(materialized='view') }}
select business_day
from {{ ref('built_days') }}
