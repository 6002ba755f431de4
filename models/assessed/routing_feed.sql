-- silent_feed for routing, which needs no more than the answer.
{{ calls_against_silence(at_most=var('silent_feed_min_calls')) }}
