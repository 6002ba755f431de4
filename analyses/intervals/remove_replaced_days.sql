-- Remove the days of agents of which no quarter hour is left after a build. $1: run_id.
{{ remove_replaced_days('$1') }}
