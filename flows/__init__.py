"""The flows. A worker of Prefect starts their process, so no command of Rollcall has settled its start."""

from rollcall.process.lifetime import start_quickly

start_quickly()
