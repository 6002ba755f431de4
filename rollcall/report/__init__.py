"""What a run leaves behind, for people and for machines: pure functions of its results.

`outcome` holds what a run came to, `words` says it in plain English, and `html`, `markdown` and
`junit` render it; `folder` puts them side by side, once per run. Nothing here knows SQL.
"""
