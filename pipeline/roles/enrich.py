"""``enrich``: posts are tagged by the newest rules, as a Faust app."""

import faust

from pipeline.endpoints import kafka_of
from pipeline.enrich import EnrichStage
from pipeline.faust_agent import create_app
from pipeline.guard import Guard
from pipeline.kafka import Kafka, LineWriter
from pipeline.roles.parts import safe_loop
from pipeline.rules import RuleFollower, no_rules
from pipeline.settings import Settings
from processors.chain import Chain, build_chain
from schemas.rules import RuleSet

__all__ = ["faust_app"]


def faust_app(settings: Settings, guard: Guard) -> faust.App:
    """The app; nothing is connected until it starts.

    Raises:
        FatalError: no address of Kafka is known, or the chain is wrong.
    """
    kafka = kafka_of(settings)
    vitals = guard.vitals.reader("enrich")
    chain = _LiveChain(kafka, settings)
    stage = EnrichStage(LineWriter(kafka), chain.current)
    loop = safe_loop(stage, kafka, settings, vitals)
    return create_app(
        kafka, "enrich", "posts.raw", settings.folder, loop, guard, vitals, chain.start
    )


class _LiveChain:
    """The chain of the newest rule set; replaced between two batches."""

    def __init__(self, kafka: Kafka, settings: Settings) -> None:
        self._settings = settings
        self._follower = RuleFollower(kafka, settings.rules.id, self._use)
        self._use(no_rules(settings.rules.id))

    async def start(self) -> None:
        await self._follower.start()

    def current(self) -> Chain:
        return self._chain

    def _use(self, rules: RuleSet) -> None:
        enrich = self._settings.enrich
        self._chain = build_chain(enrich.chain, enrich.options, rules)
