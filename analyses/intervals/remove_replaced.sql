-- Remove the rows of ours that a build did not build again for the days that it built. $1: run_id.
{{ remove_replaced('$1') }}
