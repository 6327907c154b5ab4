"""Every registered connector, enricher, detector and sink keeps the contract of its kind."""

import inspect
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from connectors import CONNECTORS
from connectors.base import Context, Way
from pipeline.components import build_connector
from pipeline.connect import example_of
from pipeline.settings import load_settings
from processors import DETECTORS, ENRICHERS
from schemas.component import ComponentConfig
from schemas.enriched import EnrichedPost
from schemas.post import Author, Post
from schemas.registry import LazyRegistry
from schemas.rules import Brand, KeywordRule, RuleSet
from schemas.signals import Mention
from sinks import SINKS

ROOT = Path(__file__).resolve().parents[1]

REGISTRIES: dict[str, LazyRegistry] = {
    "connectors": CONNECTORS,
    "enrichers": ENRICHERS,
    "detectors": DETECTORS,
    "sinks": SINKS,
}
COMPONENTS = [
    pytest.param(registry, name, id=f"{kind}-{name}")
    for kind, registry in REGISTRIES.items()
    for name in registry
]
ENRICHER_NAMES = sorted(ENRICHERS)


@pytest.mark.parametrize(("registry", "name"), COMPONENTS)
def test_a_component_has_a_file_a_docstring_and_a_test(registry: LazyRegistry, name: str) -> None:
    module = registry.module_of(name)
    package, file = module.split(".")

    assert (ROOT / package / f"{file}.py").is_file()
    assert (ROOT / "tests" / package / f"test_{file}.py").is_file()
    assert inspect.getdoc(registry[name])
    assert inspect.getmodule(registry[name]).__doc__  # type: ignore[union-attr]


@pytest.mark.parametrize(("registry", "name"), COMPONENTS)
def test_every_option_is_described_and_unknown_ones_are_refused(
    registry: LazyRegistry, name: str
) -> None:
    config = registry[name].Config

    assert issubclass(config, ComponentConfig)
    assert inspect.getdoc(config)
    undescribed = [key for key, field in config.model_fields.items() if not field.description]
    assert undescribed == []
    with pytest.raises(ValidationError) as caught:
        config(no_such_option=1)
    assert "no_such_option" in str(caught.value)


@pytest.mark.parametrize(("registry", "name"), COMPONENTS)
def test_secrets_are_of_a_type_that_no_repr_shows(registry: LazyRegistry, name: str) -> None:
    for key, field in registry[name].Config.model_fields.items():
        if any(word in key for word in ("password", "secret", "api_key", "token")):
            assert SecretStr.__name__ in repr(field.annotation), key


@pytest.mark.parametrize("name", sorted(CONNECTORS))
def test_a_connector_says_what_it_delivers(name: str) -> None:
    text = inspect.getmodule(CONNECTORS[name]).__doc__ or ""  # type: ignore[union-attr]

    assert "Delivery:" in text
    assert "Limits:" in text
    assert callable(CONNECTORS[name].batches)
    assert callable(CONNECTORS[name].total)


@pytest.mark.parametrize("name", sorted(CONNECTORS))
def test_ten_lines_of_settings_connect_a_source(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given what `tingchao connect NAME` shows, and its secrets
    example = example_of(name)
    given(example, tmp_path, monkeypatch)

    # When it is loaded as it is
    settings = load_settings(tmp_path / "tingchao.toml")

    # Then every source of it can be built, and what has to be set is set
    lines = [line for line in example.splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 10
    assert settings.sources
    fields = CONNECTORS[name].Config.model_fields
    for source, section in settings.sources.items():
        assert section.use == name
        assert build_connector(source, section, nowhere()).way in get_args(Way)
        assert section.options.keys() <= fields.keys()
        required = {key for key, field in fields.items() if field.is_required()}
        assert required <= section.options.keys()
        for key, value in section.options.items():
            if SecretStr.__name__ in repr(fields[key].annotation):
                assert isinstance(value, SecretStr), f"{key} would be shown"


def test_the_examples_can_stand_in_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = "\n\n".join(example_of(name) for name in CONNECTORS)
    given(examples, tmp_path, monkeypatch)

    sources = load_settings(tmp_path / "tingchao.toml").sources.values()

    assert {one.use for one in sources} == set(CONNECTORS)
    ports = [one.options["port"] for one in sources if "port" in one.options]
    assert len(ports) == len(set(ports)) == 3


def given(example: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write settings, and their secrets where they say that these are."""
    for variable in re.findall(r'env = "(\w+)"', example):
        monkeypatch.setenv(variable, _SECRET)
    for file in re.findall(r'\{ file = "([\w.]+)" \}', example):
        (folder / file).write_text(f"{_SECRET}\n", encoding="utf-8")
    (folder / "tingchao.toml").write_text(example, encoding="utf-8")


#: Good for every kind of secret: EncodingAESKey is 43 letters long.
_SECRET = "s" * 43


def nowhere() -> Context:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"construction does no I/O, but asked for {request.url}")

    async def sleep(seconds: float) -> None:
        raise AssertionError("construction does not wait")

    client = httpx.AsyncClient(transport=httpx.MockTransport(refuse))
    return Context(client, lambda: datetime(2026, 1, 1, tzinfo=UTC), sleep)


@pytest.mark.parametrize("name", sorted(SINKS))
def test_a_sink_says_what_it_delivers(name: str) -> None:
    assert "Delivery:" in (inspect.getmodule(SINKS[name]).__doc__ or "")  # type: ignore[union-attr]


# --- enrichers: pure, deterministic, the same alone as in company ------------------------------

TEXTS = [
    "",
    "今天提了启澜QL6，全家都喜欢，开心！",
    "刹车踩不住，客服还推脱，气死我了😡😡",
    "转发微博",
    "ＢＹＤ和𠮷野家有什么关系？#话题# @某人 https://a.example/x",
    "//@路人甲:原来如此",
    "一" * 3_000,
]


def rules() -> RuleSet:
    return RuleSet(
        id="contract",
        version=3,
        author="test",
        reason="test",
        changed_at=datetime(2026, 1, 1, tzinfo=UTC),
        brands=(Brand(id="qilan", name="启澜", role="own", aliases=("启澜", "QL6")),),
        keywords=(KeywordRule(id="safety", name="安全", words=("刹车", "踩不住")),),
    )


def posts() -> Iterator[EnrichedPost]:
    for number, text in enumerate(TEXTS):
        post = Post(
            id=f"weibo:{number}",
            platform="weibo",
            kind="repost" if text.startswith(("//", "转发")) else "post",
            text=text,
            title="标题" if number == 1 else None,
            author=Author(id=str(number)),
            published_at=datetime(2026, 1, 1, 8, number, tzinfo=UTC),
            observed_at=datetime(2026, 1, 1, 8, number, 1, tzinfo=UTC),
            root_text="启澜QL6刹车" if number == 5 else None,
            source="test",
        )
        yield EnrichedPost(**dict(post))


@pytest.fixture(scope="module")
def enrichers() -> Mapping[str, Any]:
    return {name: ENRICHERS[name](ENRICHERS[name].Config(), rules()) for name in ENRICHERS}


@pytest.mark.parametrize("name", ENRICHER_NAMES)
def test_an_enricher_is_deterministic_and_changes_nothing_it_was_given(
    name: str, enrichers: Mapping[str, Any]
) -> None:
    given = list(posts())
    before = [post.to_line() for post in given]

    first = enrichers[name].enrich(given)
    again = enrichers[name].enrich(list(posts()))

    assert [post.to_line() for post in given] == before
    assert first == again
    assert len(first) == len(given)
    assert enrichers[name].version


@pytest.mark.parametrize("name", ENRICHER_NAMES)
def test_a_finding_does_not_depend_on_the_company(name: str, enrichers: Mapping[str, Any]) -> None:
    together = enrichers[name].enrich(list(posts()))
    alone = [enrichers[name].enrich([post])[0] for post in posts()]
    turned = enrichers[name].enrich(list(posts())[::-1])[::-1]

    assert alone == together == turned


@pytest.mark.parametrize("name", ENRICHER_NAMES)
def test_findings_are_valid_records(name: str, enrichers: Mapping[str, Any]) -> None:
    for post in enrichers[name].enrich(list(posts())):
        if post is not None:
            assert EnrichedPost.from_line(post.to_line()) == post


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_a_detector_carries_on_from_its_written_state(name: str) -> None:
    detector = DETECTORS[name](DETECTORS[name].Config())
    state = detector.new_state("qilan", "own")
    detector.advance(state, datetime(2026, 1, 1, tzinfo=UTC))
    detector.mention(
        state,
        Mention(
            brand="qilan",
            role="own",
            post_id="weibo:1",
            root_id="weibo:1",
            platform="weibo",
            kind="post",
            author_id="1",
            event_at=datetime(2026, 1, 1, 0, 1, tzinfo=UTC),
        ),
    )

    assert type(state).from_line(state.to_line()).to_line() == state.to_line()
