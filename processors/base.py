"""What an enricher is: text in, finding out; no I/O, no clock, no Kafka."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from processors.explained import Explained
from schemas.enriched import EnrichedPost
from schemas.rules import RuleSet

__all__ = ["Enricher", "Explains"]


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


@runtime_checkable
class Explains(Protocol):
    """An enricher that can say why: one method more. Without it, its finding itself is shown."""

    def explain(self, post: EnrichedPost) -> Sequence[Explained]:
        """Each finding of this enricher in ``post``, with the words that decided.

        ``post`` is the record as this enricher left it. For one post at a time, on demand: may take
        milliseconds, where ``enrich`` takes microseconds. Tells too that nothing was found, if a
        reader would ask why.
        """
        ...
