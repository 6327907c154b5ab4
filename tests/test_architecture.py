"""Imports point one way; faust and aiokafka stay in pipeline; processors stay pure."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

ALLOWED: dict[str, set[str]] = {
    "schemas": set(),
    "connectors": {"schemas"},
    "processors": {"schemas"},
    "sinks": {"schemas"},
    "pipeline": {"schemas", "connectors", "processors", "sinks"},
}
STREAMING = {"faust", "aiokafka", "mode"}
IMPURE = {
    "asyncio",
    "httpx",
    "elasticsearch",
    "socket",
    "subprocess",
    "threading",
    "time",
    "random",
}
SCHEMAS_MAY = {"pydantic", "pydantic_core"}


def imports_in(source: str) -> Iterator[str]:
    """Top-level names of all absolute imports, at any depth."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def violations(package: str, forbidden: set[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in imports_in(path.read_text(encoding="utf-8"))
        if name in forbidden
    ]


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(package: str) -> None:
    forbidden = set(ALLOWED) - ALLOWED[package] - {package}
    if package != "pipeline":
        forbidden |= STREAMING

    assert violations(package, forbidden) == []


def test_processors_do_no_io_and_read_no_clock() -> None:
    assert violations("processors", IMPURE) == []


def test_schemas_import_pydantic_and_the_standard_library_only() -> None:
    standard = set(sys.stdlib_module_names)
    foreign = [
        f"{path.name}: {name}"
        for path in sorted((ROOT / "schemas").glob("*.py"))
        for name in imports_in(path.read_text(encoding="utf-8"))
        if name not in standard | SCHEMAS_MAY | {"schemas"}
    ]

    assert foreign == []


@pytest.mark.parametrize(
    ("role", "foreign"),
    [
        ("enrich", {"elasticsearch"}),
        ("watch", {"elasticsearch"}),
        ("index", {"faust"}),
        ("notify", {"faust"}),
        ("ingest", {"faust", "elasticsearch"}),
    ],
)
def test_a_worker_loads_what_its_role_needs(role: str, foreign: set[str]) -> None:
    """Each of these takes longer to import than the role takes to start."""
    load = f"import sys, pipeline.cli, pipeline.worker, pipeline.roles.{role}; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", load], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert foreign & set(loaded) == set()


def test_the_reader_of_imports_sees_them_all() -> None:
    source = "import faust.app\ndef f():\n    from aiokafka import x\n    from . import y\n"

    assert list(imports_in(source)) == ["faust", "aiokafka"]


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_is_imported_from_this_repository(package: str) -> None:
    found = importlib.import_module(package).__file__

    assert found is not None
    assert Path(found).is_relative_to(ROOT)
