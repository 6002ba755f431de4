"""Prepare the demo: the embedded server, and a fresh damaged call centre on it."""

from __future__ import annotations

import contextlib

import psycopg

from rollcall import console
from rollcall.errors import ConfigurationError
from rollcall.sandbox.demo.case_builder import ScaleTooSmall
from rollcall.sandbox.demo.counts import Scale
from rollcall.sandbox.demo.generator import load_call_centre
from rollcall.servers.postgres import PostgresServer
from rollcall.settings.configuration import load_settings

__all__ = ["DATABASE", "prepare"]

DATABASE = "call_centre"


def prepare(scale: Scale) -> str:
    """Start the embedded PostgreSQL and load the call centre anew.

    Returns:
        the database's URL, which holds no password.

    Raises:
        ServerError: the server cannot be started.
        ConfigurationError: the scale is too small for the defects.
    """
    settings = load_settings(conninfo="")
    console.step("Demo call centre")
    server = PostgresServer(settings.state_directory / "postgres")
    server.start()
    with contextlib.closing(psycopg.connect(server.conninfo(), autocommit=True)) as connection:
        connection.execute(f"drop database if exists {DATABASE} with (force)")
        connection.execute(f"create database {DATABASE}")
    url = server.conninfo(DATABASE)
    with contextlib.closing(psycopg.connect(url)) as connection:
        try:
            planted = load_call_centre(connection, scale, settings.variables)
        except ScaleTooSmall as error:
            raise ConfigurationError(str(error), "ask for more agents, sessions or calls") from error
        connection.commit()
    console.show_demo(planted.agents, planted.sessions, planted.calls, url, server.data_directory)
    return url
