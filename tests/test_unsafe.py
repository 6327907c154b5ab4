"""Nothing in the product loads code, runs a shell or unpacks without looking."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("schemas", "connectors", "processors", "sinks", "pipeline", "deploy")

MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "jsonpickle"}
#: Parsers that follow entities; defusedxml does not.
XML = {"xml.etree", "xml.sax", "xml.dom", "lxml", "xml.parsers"}
OWN_XML = {"pipeline/services/artefacts.py", "connectors/workbook.py"}
"""The first reads the pom of this repository, nothing from outside; the second counts the rows of a
workbook before it is read, and refuses every entity that is declared."""
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {"os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}
UNPACKING = {"extractall", "unpack_archive"}


def name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def unsafe(source: str) -> Iterator[str]:
    """What a reader would stop at."""
    for node in ast.walk(ast.parse(source)):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module]
        for module in modules:
            if module.split(".")[0] in MODULES:
                yield module
            if any(module == parser or module.startswith(parser + ".") for parser in XML):
                yield "xml"
        if isinstance(node, ast.Call):
            yield from _calls(node)


def _calls(node: ast.Call) -> Iterator[str]:
    name = name_of(node.func)
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if name in CALLS or (name in METHODS and "SafeLoader" not in ast.unparse(node)):
        yield name
    if _true(given.get("shell")):
        yield "shell=True"
    if name.rpartition(".")[2] in UNPACKING and "filter" not in given:
        yield name.rpartition(".")[2]
    if name in ("np.load", "numpy.load"):
        pickles = given.get("allow_pickle")
        if not (isinstance(pickles, ast.Constant) and pickles.value is False):
            yield "np.load that may unpickle"
    if _false(given.get("verify")) or name in ("ssl._create_unverified_context",):
        yield "a certificate that is not checked"


def _true(node: ast.expr | None) -> bool:
    return node is not None and not (isinstance(node, ast.Constant) and not node.value)


def _false(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_unsafe_is_used(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {what}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for what in unsafe(path.read_text(encoding="utf-8"))
        if not (what == "xml" and str(path.relative_to(ROOT)) in OWN_XML)
    ]

    assert found == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", ["pickle"]),
        ("def f():\n    from marshal import loads", ["marshal"]),
        ("from xml.etree import ElementTree", ["xml"]),
        ("from xml.etree.ElementTree import parse", ["xml"]),
        ("eval(x)", ["eval"]),
        ("os.system(x)", ["os.system"]),
        ("yaml.load(x)", ["yaml.load"]),
        ("yaml.load(x, Loader=yaml.SafeLoader)", []),
        ("yaml.safe_load(x)", []),
        ("subprocess.run(x, shell=True)", ["shell=True"]),
        ("subprocess.run(x, shell=flag)", ["shell=True"]),
        ("subprocess.run(x, shell=False)", []),
        ("tar.extractall(x)", ["extractall"]),
        ("tar.extractall(x, filter='data')", []),
        ("np.load(x)", ["np.load that may unpickle"]),
        ("np.load(x, allow_pickle=False)", []),
        ("httpx.get(x, verify=False)", ["a certificate that is not checked"]),
        ("re.compile(x)", []),
    ],
)
def test_the_test_itself_sees_it(source: str, found: list[str]) -> None:
    assert list(unsafe(source)) == found
