-- Sum the days of the agents that a build built, or that an earlier version of Rollcall did not sum. $1: run_id.
{{ sum_agent_days('$1') }}
