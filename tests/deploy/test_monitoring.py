"""Alert rules, scrape example and dashboard: whatever they name is really there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from pipeline import metrics
from pipeline.health import PORT_ORDER, port_of
from pipeline.settings import HealthSettings
from pipeline.vitals import State
from pipeline.worker import ROLES

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RUNBOOK = (DEPLOY / "runbook.md").read_text(encoding="utf-8")
RULES: dict[str, Any] = yaml.safe_load(
    (DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
)
SCRAPE_TEXT = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
DASHBOARD: dict[str, Any] = json.loads(
    (DEPLOY / "grafana" / "tingchao.json").read_text(encoding="utf-8")
)
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]
}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [rule["expr"] for rule in ALERTS.values()] + [
    target["expr"] for panel in PANELS for target in panel["targets"]
]

#: What Prometheus adds to every sample, and what the client library exports of the process.
ADDED = {"job", "instance"}
OF_THE_PROCESS = {
    "process_start_time_seconds",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
}
KEYWORDS = {"or", "unless", "offset"}


def exported() -> dict[str, set[str]]:
    """Sample name to labels, of everything that a worker registers."""
    found: dict[str, set[str]] = {name: set() for name in ("up", *OF_THE_PROCESS)}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            name, labels = metric._name, set(metric._labelnames)
            if metric._type == "counter":
                found[f"{name}_total"] = labels
            elif metric._type == "histogram":
                found[f"{name}_bucket"] = labels | {"le"}
                found[f"{name}_sum"] = found[f"{name}_count"] = labels
            else:
                found[name] = labels
    return found


EXPORTED = exported()


class Used(NamedTuple):
    """One selector of an expression."""

    metric: str
    matchers: dict[str, str]


def selectors(expression: str) -> Iterator[Used]:
    """Metrics with their matchers; what stands before a bracket is a function."""
    bare = re.sub(r"\bby\s*\([^)]*\)|\[[^\]]*\]", " ", expression)
    for found in re.finditer(r"(?<![\w.])([a-z_]+)(?:\{([^}]*)\})?(?!\w)(?!\s*\()", bare):
        if found[1] not in KEYWORDS:
            yield Used(found[1], dict(re.findall(r'(\w+)=~?"([^"]*)"', found[2] or "")))


def grouped_by(expression: str) -> set[str]:
    clauses = re.findall(r"\bby\s*\(([^)]*)\)", expression)
    return {label.strip() for clause in clauses for label in clause.split(",")}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_names_only_metrics_and_labels_that_are_exported(expression: str) -> None:
    used = list(selectors(expression))

    assert used
    assert {one.metric for one in used} <= EXPORTED.keys()
    known: set[str] = set(ADDED).union(*(EXPORTED[one.metric] for one in used))
    assert grouped_by(expression) <= known
    for one in used:
        assert one.matchers.keys() <= EXPORTED[one.metric] | ADDED
    assert expression.count("(") == expression.count(")")


def test_the_check_would_find_a_metric_that_does_not_exist() -> None:
    """Guards the test above against a pattern that finds nothing."""
    expression = 'sum by (stage) (rate(tingchao_lines_seen_total{stage="x"}[5m])) > 0'

    assert list(selectors(expression)) == [Used("tingchao_lines_seen_total", {"stage": "x"})]
    assert grouped_by(expression) == {"stage"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_label_values_in_expressions_are_real_ones(expression: str) -> None:
    values = dict(re.findall(r'(\w+)=~?"([^"]*)"', expression))
    known = {
        "role": set(ROLES),
        "stage": set(ROLES),
        "state": set(State.__args__),  # type: ignore[attr-defined]
        "step": {"enriched", "indexed", "searchable", "alarm"},
        "job": {"tingchao"},
    }
    for label, allowed in known.items():
        assert set(values.get(label, next(iter(allowed))).split("|")) <= allowed


def anchors() -> set[str]:
    """As GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_what_it_is_and_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    notes = rule["annotations"]

    assert re.fullmatch(r"Tingchao[A-Z][A-Za-z]+", name)
    assert rule["labels"]["severity"] in {"critical", "warning"}
    for text in (notes["summary"], notes["description"]):
        assert re.search(r"[\u4e00-\u9fff]{2}", text)
        assert re.search(r"[a-z]{4,} ", text + " ")
    page, _, anchor = notes["runbook"].partition("#")
    assert page == "runbook.md"
    assert anchor in anchors()


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_shows_only_labels_that_its_expression_keeps(name: str) -> None:
    rule = ALERTS[name]
    shown = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    kept = grouped_by(rule["expr"]) if " by " in rule["expr"] else ADDED | {"role"}
    if "sum(" in rule["expr"].replace(" ", "") and " by " not in rule["expr"]:
        kept = set()

    assert shown <= kept


def test_what_an_operator_needs_to_hear_of_is_there() -> None:
    needed = {
        "TingchaoWorkerDown",
        "TingchaoRoleMissing",
        "TingchaoNotReady",
        "TingchaoDegraded",
        "TingchaoHalted",
        "TingchaoBehind",
        "TingchaoRecordsLost",
        "TingchaoDeadLetters",
        "TingchaoWatchdogExit",
        "TingchaoRestarts",
        "TingchaoNoPosts",
        "TingchaoSourceFailing",
        "TingchaoAlarmsSlow",
    }

    assert needed <= ALERTS.keys()
    assert len(ALERTS) == sum(len(group["rules"]) for group in RULES["groups"])  # no name twice


def test_every_role_is_missed_and_every_metric_is_looked_at() -> None:
    missing = ALERTS["TingchaoRoleMissing"]["expr"]

    assert set(re.findall(r'role="(\w+)"', missing)) == set(ROLES)
    everything = " ".join(EXPRESSIONS)
    for name in EXPORTED:
        if name.startswith("tingchao_") and not name.endswith(("_sum", "_count")):
            assert name in everything or name.removesuffix("_bucket") + "_sum" in everything, name


def test_the_scrape_example_asks_each_role_at_its_port() -> None:
    [job] = yaml.safe_load(SCRAPE_TEXT)["scrape_configs"]
    [static] = job["static_configs"]
    ports = [int(target.rpartition(":")[2]) for target in static["targets"]]
    by_name = re.findall(r"names: \[(\w+)\], type: A, port: (\d+)", SCRAPE_TEXT)

    settings = HealthSettings(port=9400)
    assert ports == [port_of(settings, role, 1) for role in PORT_ORDER]
    assert [(role, int(port)) for role, port in by_name] == list(
        zip(PORT_ORDER, ports, strict=True)
    )
    assert yaml.safe_load(SCRAPE_TEXT)["rule_files"] == ["alerts.yml"]


def test_the_containers_listen_where_the_scrape_example_asks() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    for role in ROLES:
        environment = compose["services"][role]["environment"]
        assert environment["TINGCHAO_HEALTH__PORT"] == "9400"
        assert environment["TINGCHAO_HEALTH__HOST"] == "0.0.0.0"
        assert "ports" not in compose["services"][role]


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    taken: set[tuple[int, int]] = set()

    assert len(ids) == len(set(ids))
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_panel_has_a_title_a_source_and_something_to_show() -> None:
    assert len(PANELS) > 15
    for panel in PANELS:
        assert panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["targets"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(letters) == len(set(letters))
    assert [one["name"] for one in DASHBOARD["templating"]["list"]] == ["datasource"]
