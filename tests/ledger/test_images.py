"""The recorded images of a run are proven, and an undo restores none that was altered after the run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rollcall.errors import Refused
from rollcall.steps.batches.worker import Worker
from rollcall.steps.undo import undo
from rollcall.steps.verify import verify
from tests.support.command import rollcall
from tests.support.floor import Floor

FORGED = """
update rollcall_ops.changes set before_image = jsonb_set(before_image, '{status}', '"on_call"')
where run_id = %s and session_id = %s
"""


def cleaned(floor: Floor, sessions: int = 3) -> tuple[str, list[str]]:
    """A run that closed some sessions, and their keys."""
    keys = sorted(floor.session() for _ in range(sessions))
    run = floor.clean()
    assert run.changed == sessions
    return run.run_id, keys


def proof_of(floor: Floor, run_id: str) -> Any:
    proof = verify(floor.workspace, run_id).proof
    assert proof is not None
    return proof


def test_untouched_images_are_proven(floor: Floor) -> None:
    run_id, _ = cleaned(floor)
    proof = proof_of(floor, run_id)
    assert proof.holds
    assert proof.images.is_recorded
    assert proof.images.holds
    assert proof.to_json()["images"] == {
        "recorded": True,
        "holds": True,
        "altered": 0,
        "altered_keys": [],
        "complete": True,
    }
    back = undo(floor.workspace, run_id)
    assert back.changed == 3
    assert undo(floor.workspace, back.run_id).changed == 3


@pytest.mark.parametrize("name", ["b", "s"])
def test_an_image_is_the_row_also_where_a_column_has_the_name_of_an_alias(floor: Floor, name: str) -> None:
    """Of an alias and a column of that name PostgreSQL takes the column, where the whole row is meant."""
    floor.rows(f"alter table agent_sessions add column {name} integer default 7")
    try:
        damaged = floor.session()
        before = floor.images()
        run_id = floor.clean().run_id
        after = floor.images()
        recorded = "select session_id, before_image, after_image from rollcall_ops.changes"
        assert floor.rows(recorded) == [(damaged, before[damaged], after[damaged])]
        assert proof_of(floor, run_id).holds
        assert undo(floor.workspace, run_id).changed == 1
        assert floor.images() == before
    finally:
        floor.rows(f"alter table agent_sessions drop column {name}")


SPAN = """
create type span as range (subtype = integer);
create function span_as_json(span) returns json language sql as
    $$ select json_build_object('from', lower($1), 'to', upper($1)) $$;
create cast (span as json) with function span_as_json(span);
alter table agent_sessions add column place span default '[1,5)';
"""
NO_SPAN = "alter table agent_sessions drop column place; drop type span cascade"


def test_a_type_that_cannot_be_read_back_from_json_stops_neither_undo_nor_proof(floor: Floor) -> None:
    """Like hstore, which is an object in JSON, and whose input is no JSON."""
    floor.rows(SPAN)
    try:
        untouched, moved = floor.session(), floor.session()
        before = floor.images()
        run_id = floor.clean().run_id
        floor.rows("update agent_sessions set place = '[2,5)' where id = %s", moved)
        proof = proof_of(floor, run_id)
        assert (proof.holds, proof.changed_since_keys) == (True, (moved,))
        result = undo(floor.workspace, run_id)
        assert result.changed == 1
        assert result.conflicts == [{"session_id": moved, "reason": "changed since: place"}]
        assert floor.images()[untouched] == before[untouched]
    finally:
        floor.rows(NO_SPAN)


def test_a_forged_before_image_is_found_and_never_restored(floor: Floor) -> None:
    run_id, keys = cleaned(floor)
    after = floor.digest()
    floor.rows(FORGED, run_id, keys[1])

    proof = proof_of(floor, run_id)
    assert not proof.holds
    assert (proof.images.altered, proof.images.altered_keys) == (1, (keys[1],))
    for dry_run in (True, False):
        with pytest.raises(Refused, match=f"altered after the run: 1 of its images .{keys[1]}"):
            undo(floor.workspace, run_id, dry_run=dry_run)
    assert floor.digest() == after


@pytest.mark.medium
@pytest.mark.parametrize(
    "change",
    [
        'update rollcall_ops.changes set after_image = after_image || \'{"status": "break"}\'',
        "update rollcall_ops.changes set agent_id = '99'",
        "update rollcall_ops.changes set evidence = '{}'",
        "update rollcall_ops.changes set rules = '{mine}'",
        "update rollcall_ops.changes set changed_at = changed_at + interval '1 second'",
        "update rollcall_ops.changes set as_planned = not as_planned",
        "delete from rollcall_ops.changes",
        "update rollcall_ops.change_digests set digest = md5(digest)",
        "insert into rollcall_ops.changes select run_id, gen_random_uuid()::text, agent_id, rules, remedy,"
        " evidence, before_image, after_image, as_planned from rollcall_ops.changes limit 1",
        "delete from rollcall_ops.change_digests",
    ],
)
def test_every_part_of_the_record_is_covered(floor: Floor, change: str) -> None:
    run_id, _ = cleaned(floor)
    floor.rows(change)
    assert not proof_of(floor, run_id).images.holds
    with pytest.raises(Refused, match="altered after the run"):
        undo(floor.workspace, run_id)


def test_a_session_that_vanished_from_record_and_digests_is_missed_by_the_digest_of_the_run(
    floor: Floor,
) -> None:
    run_id, keys = cleaned(floor)
    for table in ("changes", "change_digests"):
        floor.rows(f"delete from rollcall_ops.{table} where session_id = %s", keys[0])
    proof = proof_of(floor, run_id)
    assert (proof.images.altered, proof.images.is_complete) == (0, False)
    with pytest.raises(Refused, match="its images as a whole do not fit"):
        undo(floor.workspace, run_id)


def test_an_image_that_is_forged_while_the_undo_works_is_left_alone(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, keys = cleaned(floor)
    run_batch, forged = Worker.run_batch, list[str]()

    def forge(worker: Any, connection: Any, batch: Any) -> Any:
        if not forged:
            forged.append(keys[1])
            floor.rows(FORGED, run_id, keys[1])
        return run_batch(worker, connection, batch)

    monkeypatch.setattr(Worker, "run_batch", forge)
    back = undo(floor.workspace, run_id)
    assert back.changed == 2
    assert back.conflicts == [
        {
            "session_id": keys[1],
            "reason": "its recorded images do not fit their digest: they were altered",
        }
    ]
    status = "select status, logout_at is null from agent_sessions where id = %s::uuid"
    assert floor.rows(status, keys[1]) == [("offline", False)]


def test_a_killed_run_is_proven_image_by_image(floor: Floor) -> None:
    run_id, keys = cleaned(floor)
    floor.rows("update rollcall_ops.runs set finished_at = null, images_digest = null")  # as a kill leaves it
    assert proof_of(floor, run_id).images.holds
    floor.rows(FORGED, run_id, keys[0])
    assert proof_of(floor, run_id).images.altered_keys == (keys[0],)


UNUSUAL = r"""
insert into rollcall_ops.changes
select
    run_id, gen_random_uuid()::text, null, array['a "rule"', 'null', null], E'c\\l\to\u0001s"e é',
    evidence || '{"n": 1.50}',
    before_image || '{"text": "\"\\ \t\u0001 é"}', after_image || '{"nested": [{}, [], null, 1e3]}',
    as_planned, '2026-10-25 00:30:00.5+00'
from rollcall_ops.changes limit 1
"""
AS_ONE_ARRAY = """
insert into rollcall_ops.change_digests
select run_id, session_id, encode(sha256(convert_to(jsonb_build_array(
    run_id, session_id, agent_id, to_jsonb(rules), remedy, evidence, before_image, after_image, as_planned,
    extract(epoch from changed_at)
)::text, 'UTF8')), 'hex')
from rollcall_ops.changes
"""


def test_the_digests_are_those_of_one_json_array_as_in_earlier_versions(floor: Floor) -> None:
    run_id, _ = cleaned(floor)
    floor.rows(UNUSUAL)
    floor.rows("delete from rollcall_ops.change_digests")
    floor.rows(AS_ONE_ARRAY)
    images = proof_of(floor, run_id).images
    assert (images.altered, images.is_complete) == (0, False)


def test_images_of_an_earlier_version_are_said_to_be_unproven_and_can_be_undone(floor: Floor) -> None:
    run_id, _ = cleaned(floor)
    floor.rows("update rollcall_ops.runs set digests_images = false, images_digest = null")
    floor.rows("delete from rollcall_ops.change_digests")
    proof = proof_of(floor, run_id)
    assert proof.holds
    assert not proof.images.is_recorded
    assert undo(floor.workspace, run_id).changed == 3


def test_the_digest_does_not_depend_on_the_settings_of_the_reader(floor: Floor) -> None:
    run_id, _ = cleaned(floor)
    (database,) = floor.rows("select current_database()")[0]
    for setting in ("timezone to 'Asia/Kolkata'", "intervalstyle to 'iso_8601'", "extra_float_digits to 0"):
        floor.rows(f"alter database {database} set {setting}")
    try:
        assert proof_of(floor, run_id).images.holds
    finally:
        floor.rows(f"alter database {database} reset all")


def test_the_command_refuses_with_4_and_names_the_session(floor: Floor) -> None:
    run_id, keys = cleaned(floor)
    floor.rows(FORGED, run_id, keys[2])
    settings = floor.workspace.settings
    done = rollcall("undo", run_id, "--json", url=settings.conninfo, state=settings.state_directory)
    assert done.returncode == 4, done.stderr
    assert keys[2] in done.stderr + done.stdout
    if done.stdout.strip():
        json.loads(done.stdout)
