"""The kinds of findings: consequence, remedy and severity, independent of the database."""

from __future__ import annotations

from dataclasses import dataclass

from rollcall.ledger.pooler_advice import ADVICE_BY_HOST
from rollcall.rules.results import Severity

__all__ = ["KINDS", "NEWEST_TESTED_VERSION", "Kind"]

NEWEST_TESTED_VERSION = 18


@dataclass(frozen=True)
class Kind:
    """The meaning of a finding, independent of the database.

    Attributes:
        consequence: what would go wrong.
        remedy: what to do.
    """

    severity: Severity
    consequence: str
    remedy: str


def blocking(consequence: str, remedy: str) -> Kind:
    return Kind(Severity.BLOCKING, consequence, remedy)


def warning(consequence: str, remedy: str) -> Kind:
    return Kind(Severity.WARNING, consequence, remedy)


def info(consequence: str, remedy: str) -> Kind:
    return Kind(Severity.INFO, consequence, remedy)


KINDS: dict[str, Kind] = {
    # --- the connection and the server ------------------------------------------------------------
    "pooler": blocking(
        "The lease is lost at the end of each transaction, and settings of a concurrent index build "
        "reach other clients: migrate, clean and run refuse to start. Assess, plan and verify work.",
        f"Connect to another address. {ADVICE_BY_HOST}",
    ),
    "session_pooler": info(
        "A pooler or proxy stands in between; each connection keeps its server process, so all works.",
        "Nothing, as long as it stays in session mode.",
    ),
    "open_prefect_api": warning(
        "Any client that reaches that server's port can start a clean-up, and change which code a "
        "deployment runs as the user with the database's password.",
        "Set PREFECT_SERVER_API_AUTH_STRING there and PREFECT_API_AUTH_STRING here (docs/prefect.md).",
    ),
    "untested_server_version": warning(
        f"Rollcall supports PostgreSQL 14 to {NEWEST_TESTED_VERSION}; a newer server may refuse a "
        "statement, or have another catalog.",
        "Use a newer version of Rollcall, and try it on a copy first.",
    ),
    "standby": blocking(
        "Nothing can be written to a standby: migrate, clean and run cannot work. Assess, plan and "
        "doctor do.",
        "Name the primary for everything that changes something.",
    ),
    "standby_lag": warning(
        "The judged data is old: agents with later activity look idle.",
        "Wait until it has caught up, or assess on the primary.",
    ),
    "read_only_by_default": blocking(
        "Every write of migrate and clean is refused by the server.",
        "Use a login role without this setting, or reset it.",
    ),
    "short_timeout": warning(
        "A step on a large table, or a lease that waits, is ended by the server half-way; it stays "
        "safe, but it does not finish.",
        "Switch the timeout off for this login role; Rollcall sets its own, per transaction.",
    ),
    "wraparound_risk": warning(
        "Before its transaction ids are used up PostgreSQL vacuums aggressively, which the "
        "migration has to wait for, and in the end it refuses every write.",
        "Find what holds vacuum back (old transactions, prepared ones, slots), then vacuum.",
    ),
    # --- roles and privileges ----------------------------------------------------------------------
    "role_not_usable": blocking(
        "The step that takes this role fails at its first statement.",
        "Create the role or grant it, or unset the variable.",
    ),
    "no_clean_role": info(
        "Clean works with all rights of the login role. With a role of its own it cannot delete or "
        "touch any other column, whatever happens.",
        "`rollcall doctor --grants` prints the statements; then set ROLLCALL_CLEAN_ROLE.",
    ),
    "clean_role_too_strong": warning(
        "The privileges no longer prove that only the three planned columns can change.",
        "Revoke what it does not need, or take a role of its own (`rollcall doctor --grants`).",
    ),
    "ledger_writers": warning(
        "Another role can alter the record of runs and changes, the flags that route calls, or objects "
        "in Rollcall's schemas. `verify` and `undo` notice an altered image, unless the role alters "
        "the digests as well.",
        "Revoke what the role does not need.",
    ),
    "missing_select_privilege": blocking(
        "Assess cannot read all rows, so it judges none: the verdict is NOT_READY.",
        "Let the owner of the tables grant it.",
    ),
    "missing_migrate_privilege": warning(
        "Migrate fails at the statement that needs it; assess works.",
        "Let the owner grant it, or set ROLLCALL_MIGRATE_ROLE to a role that has it.",
    ),
    "missing_clean_privilege": warning(
        "Clean fails at its first batch and changes nothing; assess works.",
        "Let the owner grant it, or set ROLLCALL_CLEAN_ROLE to a role that has it.",
    ),
    "missing_record_privilege": warning(
        "Runs cannot be recorded, so migrate and clean do not start, and history shows nothing.",
        "Let the owner of the schemas rollcall and rollcall_ops grant it.",
    ),
    "refused_reader": info(
        "The tables have row-level security, so these views apply the policies of their reader, and a query "
        "of this role ends with permission denied.",
        "Leave it so, or make the reader a member of rollcall_views, which `doctor --grants` prints: it "
        "reads the tables as their policies allow.",
    ),
    # --- the tables --------------------------------------------------------------------------------
    "hidden_rows": blocking(
        "Rows that a policy hides are neither judged nor cleaned, and no count shows it: the verdict "
        "is NOT_READY.",
        "Use a role that row-level security does not bind.",
    ),
    "row_level_security": info(
        "Another role may see only some of the rows, and then judges only those.",
        "Nothing for the present roles; check the policies before you change them.",
    ),
    "missing_primary_key": blocking(
        "Without a key no row can be named, planned or restored: the verdict is NOT_READY.",
        "Add a primary key to the table.",
    ),
    "agents_key_not_unique": blocking(
        "An agent with two rows has each session judged twice, and the lookup of an agent for each open "
        "session reads the whole table. The verdict is NOT_READY.",
        "Set agents_id_column to the key, or create a unique index on it.",
    ),
    "sessions_key_not_unique": blocking(
        "A key that names several sessions has each of them planned and changed for the others: the verdict "
        "is NOT_READY.",
        "Set sessions_id_column to the key, or create a unique index on it.",
    ),
    "calls_key_not_unique": blocking(
        "A session whose reference names several calls is judged and planned several times: the verdict is "
        "NOT_READY.",
        "Set calls_id_column to the key, or create a unique index on it.",
    ),
    "child_table": blocking(
        "Its rows are read and changed with those of its parent, and no index keeps a key of one out of the "
        "other: the verdict is NOT_READY.",
        "Make it a partition, or end the inheritance.",
    ),
    "status_not_in_enum": blocking(
        "The database refuses the status that clean has to write, for each row.",
        "Set closed_status, available_status and break_status to labels that the enum has.",
    ),
    "check_not_judged": info(
        "Whether the constraint takes what a repair writes is not known beforehand. PostgreSQL undoes a "
        "change that it refuses; clean leaves such a session alone and reports it.",
        "Compare it with closed_status and with the other values that a repair writes.",
    ),
    "server_time_zone": warning(
        "Rows that the server fills with its own clock get the local time of the connection, while "
        "the rest is written in app_time_zone: agents look idle, or active in the future.",
        "Let the application set the zone of its connections, or the database.",
    ),
    "implausible_time_zone": warning(
        "Idle times are wrong by hours: all sessions look abandoned, or none.",
        "Set the var app_time_zone to the zone in which the application writes, or mend its clock.",
    ),
    "clock_difference": warning(
        "Run ids, schedules and the age of a plan follow this machine's clock, everything else the "
        "server's: they do not fit together.",
        "Synchronise both clocks (NTP).",
    ),
    "session_update_trigger": warning(
        "It fires for each row that clean or undo changes: it may refuse the row, change more of it "
        "than was planned (verify shows that), or tell other systems.",
        "Read its function; a run reports the rows that it refuses.",
    ),
    "trigger_without_search_path": warning(
        "Rollcall's search_path is empty. Where the function does not find a name under it, the row cannot "
        "be changed: clean skips such a row and reports it.",
        "Give the function a search_path of its own, as the owner of the function; check the schemas first.",
    ),
    "other_trigger": info(
        "It fires for what the application does, not for what clean changes.",
        "Nothing.",
    ),
    "event_trigger": warning(
        "It fires for the statements of migrate and may refuse them or do more.",
        "Read its function before you migrate.",
    ),
    "session_update_rule": blocking(
        "A rule rewrites every UPDATE of the table; PostgreSQL refuses Rollcall's, or does something else.",
        "Replace the rule by a trigger.",
    ),
    "other_rule": info("It rewrites statements of the application, none of Rollcall.", "Nothing."),
    "dependent_view": info(
        "Migrate only adds, so the view stays as it is; the application's own ALTER TYPE or DROP "
        "COLUMN fails because of it.",
        "Nothing for Rollcall; its own views go with `rollcall detach`.",
    ),
    "migration_tool": info(
        "The tool's models do not have the columns and indexes that migrate adds, and another database "
        "that the tool makes lacks them.",
        "Export them into the tool's own migrations; docs/migration-tools.md has the steps.",
    ),
    "sync_mode": warning(
        "Where the tool is used this way, it drops every column and index of the application's tables that "
        "its models do not have.",
        "Put the export's model snippet into the models first, and use the tool's migrations only.",
    ),
    # --- replication -------------------------------------------------------------------------------
    "missing_replica_identity": blocking(
        "PostgreSQL refuses every UPDATE of the table, clean's and the application's.",
        "Add a primary key, or give the table a replica identity.",
    ),
    "published_table": info(
        "Every change of clean is replicated to the subscribers.",
        "Nothing, unless a subscriber must not follow.",
    ),
    "subscriber_without_columns": warning(
        "Once migrate has added the columns, replication to a subscriber without them stops, and its "
        "slot keeps WAL until the disk is full.",
        "Add the columns on each subscriber first (`rollcall plan` shows the statements).",
    ),
    "publication_of_all_tables": warning(
        "The tables of the ledger are published too: replication to a subscriber without them stops.",
        "Make the schema rollcall_ops on each subscriber first, or publish the tables by name.",
    ),
    "subscribed_table": warning(
        "The rows come from another server: what clean changes here is overwritten there, or "
        "conflicts with it.",
        "Run Rollcall on the publisher.",
    ),
    "replica_lag": warning(
        "A clean-up adds to what the replica has to catch up with; a reader there sees old rows.",
        "Wait until it has caught up.",
    ),
    "replica_snapshot": warning(
        "A query on the replica keeps dead rows here (hot_standby_feedback), so heartbeats are no longer "
        "heap-only updates.",
        "Let the query end, or end it on the replica.",
    ),
    "synchronous_replica": info(
        "Each batch of clean waits for the replica's answer, as every commit does.",
        "Nothing, unless the replica is slow.",
    ),
    "idle_replication_slot": warning(
        "The slot keeps WAL, and maybe dead rows, for a client that does not fetch them: building "
        "indexes and cleaning fill the disk faster.",
        "Start the client of the slot, or drop an unused slot.",
    ),
    # --- current activity -----------------------------------------------------------------------------
    "long_transaction": warning(
        "Its locks make migrate give up, a concurrent index build waits for its snapshot, and while "
        "it lasts dead rows stay, so heartbeats are no longer heap-only updates.",
        "Let it end; end it with pg_terminate_backend only if you know its owner.",
    ),
    "prepared_transaction": warning(
        "No connection can end it: its locks and its snapshot hold migrate and vacuum back indefinitely.",
        "Find its owner, then commit prepared or rollback prepared.",
    ),
    "hidden_activity": info(
        "Long transactions of other roles cannot be seen, so none is reported.",
        "Grant pg_read_all_stats to the login role if you want to know.",
    ),
    "running_vacuum": warning(
        "Migrate cannot add a column and no index can be built until the vacuum has ended.",
        "Wait for it.",
    ),
    # --- indexes and disk ----------------------------------------------------------------------------
    "invalid_index": warning(
        "A build failed: the index slows down every write and helps no query.",
        "Migrate repairs an index that Rollcall made; drop any other that you do not need.",
    ),
    "index_being_built": info(
        "An index is being built on the table; migrate waits for it.",
        "Wait for it.",
    ),
    "index_disk_space": info(
        "Building indexes takes disk space, and as much again for a while.",
        "Make sure that the server has it.",
    ),
    "low_disk_space": warning(
        "The build fails when the disk is full, and the application's writes fail with it.",
        "Make room before you migrate.",
    ),
    # --- unreadable data -----------------------------------------------------------------------------
    "not_seen": info(
        "This could not be read, so nothing is reported about it.",
        "Run doctor again with a role that may read it, or at a quieter time.",
    ),
}
