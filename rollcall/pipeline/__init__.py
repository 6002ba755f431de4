"""The steps of a run, which the commands and the flows call in their order."""
