"""Alerts: what is news, which channel gets it, and what was told already.

`findings` says what holds now, `policy` compares it with what was told, `memory` keeps that in the ledger,
`digest` writes one message, `delivery` sends it, and `alerting` is the order of these steps.
"""
