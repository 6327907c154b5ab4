"""The written schemas describe what really stands in the topics."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from pipeline.schema_export import RECORDS, asyncapi, json_schema, write_schemas
from schemas.topics import TOPICS


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_every_record_has_a_valid_schema(name: str) -> None:
    schema = json_schema(RECORDS[name])

    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False


def test_writing_gives_one_file_a_record_and_the_asyncapi_document(tmp_path: Path) -> None:
    paths = write_schemas(tmp_path)
    again = {path.name: path.read_bytes() for path in write_schemas(tmp_path)}

    assert {path.name for path in paths} == {
        *(f"{name}.schema.json" for name in RECORDS),
        "asyncapi.json",
    }
    assert again == {path.name: path.read_bytes() for path in paths}


def test_asyncapi_names_every_topic_and_every_reference_resolves(tmp_path: Path) -> None:
    document = asyncapi()
    write_schemas(tmp_path)

    def resolve(reference: str) -> object:
        if reference.startswith("./"):
            return json.loads((tmp_path / reference).read_text(encoding="utf-8"))
        found: object = document
        for part in reference.removeprefix("#/").split("/"):
            assert isinstance(found, dict)
            found = found[part]
        return found

    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [found for value in node.values() for found in references(value)]
        if isinstance(node, list):
            return [found for value in node for found in references(value)]
        return []

    assert {channel["address"] for channel in document["channels"].values()} == set(TOPICS)
    assert references(document)
    for reference in references(document):
        assert resolve(reference)
