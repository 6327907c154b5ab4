from importlib import import_module
from pathlib import Path

import pytest

from schemas.component import ComponentConfig
from sinks import CHANNELS, SINKS

HERE = Path(__file__).parent


def test_every_channel_is_a_sink() -> None:
    assert set(CHANNELS) < set(SINKS)
    assert set(SINKS) - set(CHANNELS) == {"elasticsearch"}


@pytest.mark.parametrize("name", SINKS)
def test_every_sink_documents_itself(name: str) -> None:
    sink = SINKS[name]
    config = sink.Config
    assert issubclass(config, ComponentConfig)
    assert all(field.description for field in config.model_fields.values())
    assert (HERE / f"test_{name}.py").exists()
    text = import_module(sink.__module__).__doc__ or ""
    assert "Delivery:" in text
    assert "Limits:" in text


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        SINKS["carrier-pigeon"]
