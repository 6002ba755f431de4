"""`python with_queries.py URL FOLDER`: execute each query of the folder, and print the keys as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import psycopg2


def main(url: str, folder: str) -> None:
    found = {}
    connection = psycopg2.connect(url)
    for file in sorted(Path(folder).glob("*.sql")):
        with connection.cursor() as cursor:
            cursor.execute(file.read_text("utf-8"))
            found[file.stem] = [str(row[0]) for row in cursor.fetchall()]
    connection.close()
    json.dump(found, sys.stdout)


main(*sys.argv[1:])
