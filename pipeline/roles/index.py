"""``index``: enriched posts and incidents go into Elasticsearch."""

import asyncio

from pipeline.endpoints import elasticsearch_client, kafka_of
from pipeline.index import IndexStage
from pipeline.lag import reads
from pipeline.roles.parts import safe_loop
from pipeline.settings import Settings
from pipeline.sink_consumer import SinkConsumer
from pipeline.vitals import Vitals

__all__ = ["run"]

#: Also the lines of one delivery: three requests of a thousand documents at a time.
MAX_RECORDS = 3_000


async def run(settings: Settings, process: Vitals, stop: asyncio.Event) -> None:
    """Read until ``stop`` is set."""
    kafka = kafka_of(settings)
    vitals = process.reader("index")
    stage = IndexStage(elasticsearch_client(settings), vitals)
    loop = safe_loop(stage, kafka, settings, vitals, slice_lines=MAX_RECORDS)
    await SinkConsumer(kafka, "index", reads("index"), loop, MAX_RECORDS, vitals).run(stop)
