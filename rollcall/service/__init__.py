"""Rollcall as a service: schedules, alerts, the trigger URL, many databases."""
