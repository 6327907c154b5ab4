"""Understanding: pure functions and small classes. No Faust, no I/O, no clock."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from processors.base import Enricher

__all__ = ["ENRICHERS"]


class _Registry(Mapping[str, "type[Enricher]"]):
    """Name to class; a module is imported when its class is asked for.

    So a worker pays only for what it selected: the segmenter's and the models' libraries take tens
    of megabytes, and this package is imported by every role.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> "type[Enricher]":
        module, _, attribute = self._places[name].partition(":")
        return cast("type[Enricher]", getattr(import_module(module), attribute))

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


ENRICHERS: Mapping[str, "type[Enricher]"] = _Registry(
    {
        "keywords": "processors.keywords:Keywords",
        "brands": "processors.brands:Brands",
        "tokens": "processors.tokens:Tokens",
        "sentiment": "processors.sentiment:LinearSentiment",
        "sentiment_snownlp": "processors.sentiment_snownlp:SnownlpSentiment",
        "signature": "processors.signature:Signature",
        "relevance": "processors.relevance:Relevance",
    }
)
"""Every enricher that ``chain.build_chain`` can select, by the name used in the settings."""
