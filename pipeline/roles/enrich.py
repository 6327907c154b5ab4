"""``enrich``: posts are tagged by the newest rules, as a Faust app."""

import asyncio
from collections.abc import Sequence
from typing import Any

import faust
import structlog

from pipeline.endpoints import kafka_of
from pipeline.enrich import EnrichStage
from pipeline.faust_agent import create_app, owns
from pipeline.guard import Guard
from pipeline.kafka import Kafka, LineWriter
from pipeline.roles.parts import safe_loop
from pipeline.rule_follower import RuleFollower
from pipeline.rules import no_rules
from pipeline.settings import Settings
from pipeline.thread_log import ThreadLog
from pipeline.vitals import Vitals
from processors.chain import Chain, build_chain
from schemas.rules import RuleSet, joined

__all__ = ["faust_app"]

log = structlog.get_logger()


def faust_app(settings: Settings, guard: Guard) -> faust.App:
    """The app; nothing is connected until it starts.

    Raises:
        FatalError: no address of Kafka is known, or the chain is wrong.
    """
    kafka = kafka_of(settings)
    vitals = guard.vitals.reader("enrich")
    chain = _LiveChain(kafka, settings, guard.vitals)
    source = kafka.topic("posts.raw")

    def assigned(partition: int) -> bool:
        return owns(app, source, partition)

    threads = ThreadLog(kafka, vitals, settings.enrich.remember, assigned)
    stage = EnrichStage(LineWriter(kafka), chain.current, threads)
    loop = safe_loop(stage, kafka, settings, vitals)
    app = create_app(
        kafka, "enrich", "posts.raw", settings.folder, loop, guard, vitals, chain.start
    )

    async def let_go(*_: Any, **__: Any) -> None:
        stage.let_go()

    app.on_partitions_revoked.connect(let_go, weak=False)
    app.on_partitions_assigned.connect(let_go, weak=False)
    return app


class _LiveChain:
    """The chain of the newest rule sets; replaced between two batches."""

    def __init__(self, kafka: Kafka, settings: Settings, vitals: Vitals) -> None:
        self._settings = settings
        self._vitals = vitals
        followed = settings.rules.followed
        self._follower = RuleFollower(kafka, followed, self._use, self._tell)
        # Now, so that a wrong chain is told before anything is connected.
        self._chain = self._build([no_rules(rule_set) for rule_set in followed])

    async def start(self) -> None:
        await self._follower.start()

    def current(self) -> Chain:
        return self._chain

    async def _use(self, sets: Sequence[RuleSet]) -> None:
        # In a thread: with thousands of rules it takes a second, and posts go on meanwhile.
        self._chain = await asyncio.to_thread(self._build, sets)

    def _build(self, sets: Sequence[RuleSet]) -> Chain:
        enrich = self._settings.enrich
        rules = joined(sets)
        if rules.rules and "rules" not in enrich.chain:
            log.warning("queries are never asked: enrich.chain lacks rules", rules=rules.label)
        return build_chain(enrich.chain, enrich.options, rules)

    def _tell(self, reason: str | None) -> None:
        self._vitals.rules_refused = reason
