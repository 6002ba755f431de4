"""The tests as a newcomer finds them: short files, and what they share in `tests/support`."""

from __future__ import annotations

import ast

from tests.support.paths import ROOT

FILES = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))
TESTS = [path for path in FILES if path.name.startswith("test_")]
LONGEST = 500
LONGEST_MODULE = 400


def test_no_file_is_long_and_no_name_is_there_twice() -> None:
    lines = {path: len((ROOT / path).read_text("utf-8").splitlines()) for path in FILES}
    assert not {path: count for path, count in lines.items() if count > LONGEST}
    assert len({path.name for path in TESTS}) == len(TESTS)


def test_no_module_is_long() -> None:
    modules = [path for folder in ("rollcall", "flows") for path in (ROOT / folder).rglob("*.py")]
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in modules}
    assert not {path: count for path, count in lines.items() if count > LONGEST_MODULE}


def imported(tree: ast.Module) -> set[str]:
    """Modules that are imported, and names that are imported from them, as modules."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def private_names(tree: ast.Module) -> set[str]:
    """Private names of another object that are read, imported or replaced."""
    found = {name.rsplit(".", 1)[-1] for name in imported(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not is_own(node.value):
            found.add(node.attr)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "setattr":
            texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            found |= {text.rsplit(".", 1)[-1] for text in texts[:1]}
    return {name for name in found if name.startswith("_") and not name.startswith("__")}


def is_own(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls", "os")  # os._exit is public


def test_no_test_is_imported_and_nothing_private_is_used() -> None:
    found = {}
    for path in FILES:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        tests = {name for name in imported(tree) if ".test_" in name or name.startswith("tests.conftest")}
        if wrong := tests | private_names(tree):
            found[str(path)] = wrong
    assert found == {}
