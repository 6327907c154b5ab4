"""The example files: they load, they pass the check, and no key of the models is missing."""

import asyncio
import os
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from pydantic import BaseModel, HttpUrl

from connectors import CONNECTORS
from connectors.base import Context
from pipeline.cli.common import run
from pipeline.clock import now
from pipeline.components import build_connector, configure
from pipeline.rules import read_rule_file
from pipeline.settings import Settings, load_settings
from processors import ENRICHERS
from processors.brands import Brands
from processors.chain import build_chain
from processors.rule_check import check_rule_set
from processors.watch_settings import WatchSettings
from schemas.incidents import AnyIncidentKind
from sinks import CHANNELS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
EXAMPLE = DEPLOY / "tingchao.example.toml"
TEXT = EXAMPLE.read_text(encoding="utf-8")
FULL = re.sub(r"^#(?=[a-z\[])", "", TEXT, flags=re.MULTILINE)
"""The example with every setting in force: ``#key = value`` without its ``#``."""
FOR_TESTS = {"memory"}

TREE: dict[str, Any] = tomllib.loads(FULL)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("TINGCHAO_"):
            monkeypatch.delenv(name)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """The settings with every key in force; secrets are where the example says."""
    for name in re.findall(r'env = "(\w+)"', FULL):
        monkeypatch.setenv(name, secret_of(name))
    for name in re.findall(r'\{ file = "(secrets/\w+)" \}', FULL):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"value of {name}\n")
    path = tmp_path / "tingchao.toml"
    # A login and certificates need the kind of connection that has them.
    path.write_text(FULL.replace('security = "PLAINTEXT"', 'security = "SASL_SSL"'), "utf-8")
    return load_settings(path)


def secret_of(name: str) -> str:
    """A value for a variable; some secrets have a form of their own."""
    if name.endswith("WHSEC"):
        return "whsec_" + "QUJD" * 8
    if name in ("DINGTALK_TOKEN", "WECOM_KEY", "FEISHU_TOKEN", "SLACK_TOKEN"):
        return name  # part of an address
    if name == "PAGERDUTY_KEY":
        return "R" * 32
    return "a" * 43 if name.endswith("AES_KEY") else f"value of {name}"


def test_the_example_passes_the_check(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["--settings", str(EXAMPLE), "config", "check"])

    assert code == 0, capsys.readouterr().err


def test_the_example_starts_with_the_example_rules() -> None:
    settings = load_settings(EXAMPLE)

    assert settings.rules.file == DEPLOY / "rules.example.toml"
    assert read_rule_file(settings.rules.file).id == settings.rules.id


def test_lines_that_are_not_in_force_load_too(full: Settings) -> None:
    assert full.kafka.prefix == "test."
    assert {"archive", "recording", "weibo", "weibo-stream"} <= full.sources.keys()


def keys_of(model: type[BaseModel], at: str = "") -> list[tuple[str, Any]]:
    """Every key with its default; sections are walked, dictionaries are a key themselves."""
    found: list[tuple[str, Any]] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += keys_of(kind, f"{at}{name}.")
        else:
            found.append((at + name, field.get_default(call_default_factory=True)))
    return found


def lookup(tree: Any, key: str) -> Any:
    for part in key.split("."):
        assert part in tree, f"{key} is missing in {EXAMPLE.name}"
        tree = tree[part]
    return tree


@pytest.mark.parametrize("key", [key for key, _ in keys_of(Settings)])
def test_every_key_of_the_settings_stands_in_the_example(key: str) -> None:
    lookup(TREE, key)


SHOWN = [
    (key, default)
    for key, default in keys_of(Settings)
    if isinstance(default, str | int | float | tuple | Path) and default != ""
]


@pytest.mark.parametrize(("key", "default"), SHOWN, ids=[key for key, _ in SHOWN])
def test_the_value_shown_is_the_default(key: str, default: Any) -> None:
    shown = lookup(TREE, key)

    assert (tuple(shown) if isinstance(shown, list) else type(default)(shown)) == default


def defaults(config: type[BaseModel]) -> dict[str, Any]:
    return {name: field.default for name, field in config.model_fields.items()}


def shown_or_default(shown: dict[str, Any], config: type[BaseModel]) -> None:
    """Each option stands there; where there is a default, it is the value shown."""
    options = {key: value for key, value in shown.items() if key != "use"}
    assert options.keys() == config.model_fields.keys()
    for name, field in config.model_fields.items():
        # An empty list that must not stay empty shows what it may hold.
        if not field.is_required() and field.default not in (None, (), {}):
            shown_value = options[name]
            if isinstance(field.default, HttpUrl):
                shown_value = HttpUrl(shown_value)
            assert shown_value == field.default, name


def test_every_option_of_the_detector_stands_in_the_example() -> None:
    shown_or_default(TREE["watch"], WatchSettings)


@pytest.mark.parametrize("name", sorted(ENRICHERS))
def test_every_enricher_stands_in_the_example(name: str) -> None:
    config = ENRICHERS[name].Config

    assert re.search(rf"\b{name}\b", TEXT)
    if config.model_fields:
        shown_or_default(TREE["enrich"]["options"][name], config)


@pytest.mark.parametrize(
    ("section", "kind", "registry"),
    [
        *(("sources", kind, CONNECTORS) for kind in sorted(CONNECTORS)),
        *(("channels", kind, CHANNELS) for kind in sorted(set(CHANNELS) - FOR_TESTS)),
    ],
)
def test_every_component_stands_in_the_example(section: str, kind: str, registry: Any) -> None:
    shown = [options for options in TREE[section].values() if options["use"] == kind]

    assert len(shown) == 1
    shown_or_default(shown[0], registry[kind].Config)


def test_the_components_take_what_the_example_shows(full: Settings) -> None:
    context = Context(httpx.AsyncClient(), now, asyncio.sleep)
    for name, section in full.sources.items():
        build_connector(name, section, context)
    for name, section in full.channels.items():
        options = section.options
        if section.use == "webhook":  # its secrets have a form of their own
            options = {**options, "secrets": ["whsec_" + "QUJD" * 8]}
        configure(f"channels.{name}", CHANNELS[section.use].Config, options)
    configure("watch", WatchSettings, full.watch)


def test_secrets_are_never_shown_in_clear(full: Settings) -> None:
    assert full.kafka.sasl_password
    assert full.kafka.sasl_password.get_secret_value() == "value of KAFKA_PASSWORD"
    assert "value of" not in repr(full)


def test_the_kinds_of_incident_are_named() -> None:
    said = TEXT.partition("[notify]")[2].partition("#kinds")[0]

    assert all(kind in said for kind in get_args(AnyIncidentKind))


def test_the_example_rules_find_what_they_name() -> None:
    rules = read_rule_file(DEPLOY / "rules.example.toml")

    assert {brand.role for brand in rules.brands} == {"own", "competitor"}
    assert rules.keywords and rules.rules
    assert check_rule_set(rules) == [], "nothing is wrong or doubtful"
    assert isinstance(build_chain(["keywords", "brands"], {}, rules).models, dict)
    assert Brands(Brands.Config(), rules).version.endswith(rules.label)


def test_the_entries_that_a_rule_file_may_have_stand_in_the_example(tmp_path: Path) -> None:
    text = (DEPLOY / "rules.example.toml").read_text(encoding="utf-8")
    head, brands, rest = text.partition("# aliases:")
    head = re.sub(r"^#(?=[a-z\[])", "", head, flags=re.MULTILINE)
    path = tmp_path / "rules.toml"
    path.write_text(head + brands + rest, encoding="utf-8")
    (tmp_path / "registry").symlink_to(DEPLOY / "registry")

    rules = read_rule_file(path)

    assert rules.team and rules.channels and rules.hours
    assert len(rules.brands) > 100
    assert set(rules.rules[0].model_fields_set) == set(type(rules.rules[0]).model_fields)


def test_both_examples_side_by_side_are_a_beginning(tmp_path: Path) -> None:
    for name, copy in (("tingchao", "tingchao"), ("rules", "rules.example")):
        text = (DEPLOY / f"{name}.example.toml").read_text(encoding="utf-8")
        (tmp_path / f"{copy}.toml").write_text(text, encoding="utf-8")

    settings = load_settings(tmp_path / "tingchao.toml")

    assert settings.rules.file is not None
    assert read_rule_file(settings.rules.file).brands
