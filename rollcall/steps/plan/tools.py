"""The tools that own a schema, and the files of each tool's export."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["FILES", "File", "Tool"]


class Tool(StrEnum):
    """A tool that owns a schema and keeps its migrations."""

    PRISMA = "prisma"
    DRIZZLE = "drizzle"
    TYPEORM = "typeorm"
    DJANGO = "django"
    RAILS = "rails"
    ALEMBIC = "alembic"
    FLYWAY = "flyway"


@dataclass(frozen=True)
class File:
    """A file of an export.

    Attributes:
        template: in the folder of the tool.
        path: of the file, a format with the values of a part.
        per_part: one file for each part, and not one for the export.
    """

    template: str
    path: str
    per_part: bool = False


FILES: dict[Tool, tuple[File, ...]] = {
    Tool.PRISMA: (
        File("migration.sql.j2", "migrations/{part.version}_{part.name}/migration.sql", per_part=True),
        File("schema.prisma.j2", "schema.prisma"),
    ),
    Tool.DRIZZLE: (
        File("migration.sql.j2", "migration.sql"),
        File("indexes.sql.j2", "indexes.sql"),
        File("schema.ts.j2", "schema.ts"),
    ),
    Tool.TYPEORM: (
        File("migration.ts.j2", "migrations/{part.milliseconds}-{part.camel}.ts", per_part=True),
        File("entity.ts.j2", "entity.ts"),
    ),
    Tool.DJANGO: (
        File("migration.py.j2", "migrations/{number:04d}_{part.name}.py", per_part=True),
        File("models.py.j2", "models.py"),
    ),
    Tool.RAILS: (
        File("migration.rb.j2", "migrate/{part.version}_{part.name}.rb", per_part=True),
        File("model.rb.j2", "model.rb"),
    ),
    Tool.ALEMBIC: (
        File("revision.py.j2", "versions/{revision}_{part.name}.py", per_part=True),
        File("models.py.j2", "models.py"),
        File("env.py.j2", "env.py"),
    ),
    Tool.FLYWAY: (
        File("migration.sql.j2", "migrations/V{part.version}__{part.name}.sql", per_part=True),
        File("script.conf.j2", "migrations/V{part.version}__{part.name}.sql.conf", per_part=True),
        File("Entity.java.j2", "Entity.java"),
    ),
}
