-- Remove the sums of the days that are summed next.
{{ remove_replaced_days() }}
