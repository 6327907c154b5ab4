import typing
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from pydantic import BaseModel

from schemas.enriched import EnrichedPost
from schemas.incident import Incident
from schemas.source_incident import SourceIncident
from sinks.journal import NoticeRecord, Waiting
from sinks.mappings import INCIDENT, NOTICE, POST, Mapping


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The record inside ``X``, ``X | None``, ``tuple[X, ...]``, ``Annotated[X, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (model_in(part) for part in typing.get_args(annotation))
    return next((model for model in found if model is not None), None)


def is_opaque(mapping: Mapping) -> bool:
    return mapping.get("enabled") is False


def paths_of_model(model: type[BaseModel], mapping: Mapping, path: str = "") -> Iterator[str]:
    """Every field of the record, down to where the mapping looks no further."""
    for name, field in model.model_fields.items():
        inner = mapping.get("properties", {}).get(name, {})
        yield path + name
        nested = model_in(field.annotation)
        if nested is not None and not is_opaque(inner):
            yield from paths_of_model(nested, inner, f"{path}{name}.")


def paths_of_mapping(mapping: Mapping, path: str = "") -> Iterator[str]:
    for name, inner in mapping["properties"].items():
        yield path + name
        if "properties" in inner:
            yield from paths_of_mapping(inner, f"{path}{name}.")


@pytest.mark.parametrize(
    ("models", "mapping"), [([EnrichedPost], POST), ([Incident, SourceIncident], INCIDENT)]
)
def test_mapping_and_records_have_the_same_fields(
    models: list[type[BaseModel]], mapping: Mapping
) -> None:
    wanted = {path for model in models for path in paths_of_model(model, mapping)}
    assert wanted == set(paths_of_mapping(mapping))


def test_the_journal_stores_what_it_reads() -> None:
    told = {field.name for field in fields(NoticeRecord)}
    later = {field.name for field in fields(Waiting)} - {"over"}  # a state, as of the others
    assert set(NOTICE["properties"]) == told | later


def test_the_comparison_sees_a_forgotten_field() -> None:
    less = {"properties": {k: v for k, v in POST["properties"].items() if k != "reasons"}}
    assert set(paths_of_model(EnrichedPost, less)) - set(paths_of_mapping(less)) == {"reasons"}


def test_free_keys_and_positions_are_never_parsed() -> None:
    for path in ("models", "matches.spans", "brands.spans", "aspects.spans"):
        mapping = POST
        for name in path.split("."):
            mapping = mapping["properties"][name]
        assert is_opaque(mapping), path
