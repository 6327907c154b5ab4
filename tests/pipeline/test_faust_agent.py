"""What is refused before a Faust app begins; its reading is tested by the line's own tests."""

from pathlib import Path
from typing import Any

import faust.streams
import pytest

from pipeline.faust_agent import create_app
from pipeline.kafka import Kafka
from pipeline.settings import KafkaSettings
from schemas.errors import FatalError


def test_streams_that_acknowledge_what_was_taken_away_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Given NO_CYTHON in the environment: the compiled module is there, and not used
    monkeypatch.setattr(faust.streams, "_CStreamIterator", None)
    kafka = Kafka(KafkaSettings(), "127.0.0.1:1")
    unused: Any = None

    with pytest.raises(FatalError, match="NO_CYTHON"):
        create_app(kafka, "enrich", "posts.raw", tmp_path, unused, unused, unused)
