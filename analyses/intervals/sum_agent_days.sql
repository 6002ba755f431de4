-- Sum the days of the agents that were built since their sums were made.
{{ sum_agent_days() }}
