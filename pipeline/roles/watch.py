"""``watch``: signals become incidents, as a Faust app."""

from typing import Any

import faust

from pipeline.endpoints import kafka_of
from pipeline.faust_agent import create_app, owns
from pipeline.guard import Guard
from pipeline.roles.parts import safe_loop
from pipeline.settings import Settings
from pipeline.watch import WatchStage
from processors.watch_settings import BrandDetectors, WatchSettings

__all__ = ["faust_app"]


def faust_app(settings: Settings, guard: Guard) -> faust.App:
    """The app; nothing is connected until it starts.

    Raises:
        FatalError: no address of Kafka is known.
    """
    kafka = kafka_of(settings)
    vitals = guard.vitals.reader("watch")
    detector = BrandDetectors(WatchSettings(**settings.watch))
    source = kafka.topic("signals")

    def assigned(partition: int) -> bool:
        return owns(app, source, partition)

    stage = WatchStage(kafka, detector, assigned, vitals)
    loop = safe_loop(stage, kafka, settings, vitals)
    app = create_app(kafka, "watch", "signals", settings.folder, loop, guard, vitals)

    async def let_go(*_: Any, **__: Any) -> None:
        stage.let_go()

    app.on_partitions_revoked.connect(let_go, weak=False)
    return app
