"""What an enricher is: text in, finding out; no I/O, no clock, no Kafka."""

from collections.abc import Sequence
from typing import Any, Protocol

from schemas.enriched import EnrichedPost
from schemas.rules import RuleSet

__all__ = ["Enricher"]


class Enricher(Protocol):
    """One step of the chain. Constructed as ``X(config, rules)``.

    A nested ``Config`` (ComponentConfig) holds its options; the contract tests check it.

    Deterministic and pure: the same posts give the same findings, whatever stands beside them in
    the batch. Batches exist for speed only.
    """

    version: str
    """Changes whenever the same text may get another finding."""

    def __init__(self, config: Any, rules: RuleSet) -> None: ...

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """New records in the same order; ``None`` drops a post on purpose (it will be named)."""
        ...
