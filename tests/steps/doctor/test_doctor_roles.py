"""Doctor: roles and their privileges."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rollcall.steps.assess.assessment import assess
from rollcall.steps.doctor.examination import examine
from tests.support.clinic import CLEAN, MIGRATE, OPERATOR, READ, Clinic, by_name

# --- roles -----------------------------------------------------------------------------------------


@pytest.mark.medium
def test_no_clean_role(clinic: Clinic) -> None:
    found = by_name(examine(clinic.workspace_of(OPERATOR, MIGRATE)))
    assert found.keys() == {"no_clean_role"}
    assert found["no_clean_role"].found == ("ROLLCALL_CLEAN_ROLE is not set: clean works as operator",)


@pytest.mark.medium
@pytest.mark.parametrize(
    ("role", "said"),
    [("nobody_knows", "which does not exist"), ("crm", "operator may not act as crm")],
)
def test_role_not_usable(clinic: Clinic, situation: Callable[..., None], role: str, said: str) -> None:
    if role == "crm":  # operator is a member through the migrate role
        situation(f"revoke {MIGRATE} from {OPERATOR}", f"grant {MIGRATE} to {OPERATOR}")
    found = by_name(examine(clinic.workspace_of(OPERATOR, role, CLEAN)))
    assert said in found["role_not_usable"].found[0]
    assert found["role_not_usable"].is_blocking


@pytest.mark.parametrize("reads", [True, False], ids=["reader", "stranger"])
def test_missing_privileges_and_the_exact_grants(
    clinic: Clinic, situation: Callable[..., None], reads: bool
) -> None:
    """Granting what is printed, and nothing else, leaves nothing missing; before, doctor still works."""
    situation("create role visitor login", "drop role visitor")
    situation("grant pg_read_all_stats to visitor", "revoke pg_read_all_stats from visitor")
    situation("select 1", "reassign owned by visitor to crm")
    situation("select 1", "drop owned by visitor")
    if reads:
        situation(f"grant {READ} to visitor")
    workspace = clinic.workspace_of("visitor")
    found = by_name(examine(workspace))
    missing = {"missing_migrate_privilege", "missing_clean_privilege", "missing_record_privilege"}
    unread = set() if reads else {"missing_select_privilege", "not_seen"}
    assert found.keys() == {"no_clean_role"} | missing | unread
    assert any(
        "visitor lacks ownership of public.agent_sessions" in s
        for s in found["missing_migrate_privilege"].found
    )
    assert (
        found["missing_clean_privilege"].found[-1].startswith("visitor lacks UPDATE of public.agent_sessions")
    )
    if reads:
        assert assess(workspace).warnings == ()
    else:
        assert found["missing_select_privilege"].statements[-1].startswith("grant select on public.")

    clinic.do(*(s for name in (missing | unread) & found.keys() for s in found[name].statements))
    assert by_name(examine(workspace)).keys() == {"no_clean_role"}


def test_the_clean_up_role_is_a_superuser(clinic: Clinic) -> None:
    found = by_name(examine(clinic.workspace_of("postgres", None, "postgres")))
    assert found["clean_role_too_strong"].found == ("postgres is a superuser",)
