"""Reports of a run for people and for machines: pure functions of its results.

`outcome` holds the result of a run, `words` describes it in plain English, and `html`, `markdown` and
`junit` render it. `folder` writes them side by side, one folder per run. No module here contains SQL.
"""
