-- Remove the sums of agents of which a later build of the day found nothing.
{{ remove_replaced_days() }}
