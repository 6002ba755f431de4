"""The unprivileged account that runs PostgreSQL for root, and the folders that it can reach."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from rollcall.errors import ServerError

ROOT_STATE = Path("/var/lib/rollcall")
ACCOUNTS_FOR_ROOT = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """The unprivileged account that runs the server on behalf of root."""

    name: str
    uid: int
    gid: int

    @classmethod
    def for_data(cls, data_directory: Path) -> Account | None:
        """The owner of the data, else the first of the usual accounts; None unless running as root."""
        if os.geteuid() != 0:
            return None
        try:
            owner = (data_directory / "PG_VERSION").stat()
        except OSError:
            owner = None
        if owner is not None and owner.st_uid != 0:
            return cls(owner_name(data_directory), owner.st_uid, owner.st_gid)
        for name in ACCOUNTS_FOR_ROOT:
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(name, entry.pw_uid, entry.pw_gid)
        raise ServerError(
            f"PostgreSQL does not run as root, and none of the accounts"
            f" {', '.join(ACCOUNTS_FOR_ROOT)} exists",
            "Run as another user than root, or make one: useradd --system postgres",
        )

    def can_reach(self, folder: Path) -> bool:
        """Whether the account may enter all existing folders down to this one."""
        for step in (folder, *folder.parents):
            try:
                found = step.stat()
            except FileNotFoundError:
                continue
            needed = stat.S_IXOTH
            if found.st_uid == self.uid:
                needed = stat.S_IXUSR
            elif found.st_gid == self.gid:
                needed = stat.S_IXGRP
            if not found.st_mode & needed:
                return False
        return True


def make_folders(folder: Path, account: Account | None) -> None:
    """Make a folder and its parents; the account can enter the new ones whatever the umask is."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        if account is not None:
            folder.chmod(0o755)


def owner_name(path: Path) -> str:
    """The name of the owner of a path; its numeric id if it has no name."""
    uid = path.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def digest_of(path: Path) -> str:
    """A short name for a path, the same on every start."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
