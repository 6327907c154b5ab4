"""Faust's consumer, mended: a group that has committed nothing yet loses nothing in a rebalance."""

from faust.transport.drivers.aiokafka import Consumer

__all__ = ["SeekingConsumer"]


class SeekingConsumer(Consumer):
    """Goes back to the beginning of partitions for which the group has no committed offset.

    A fetch that began before a rebalance may come back with records of the new assignment before
    the flow is resumed. Faust throws them away and seeks back to what is committed; but aiokafka
    leaves a partition without a committed offset where it stands, which is behind what was thrown
    away. Those records would only come again at the next rebalance or start: until then the group
    is behind, and a commit might pass them by.
    """

    async def perform_seek(self) -> None:
        """Take every partition back to what is committed, or to its beginning."""
        await super().perform_seek()
        fresh = {tp for tp in self.assignment() if not self._read_offset.get(tp)}
        if fresh:
            begins = await self.earliest_offsets(*fresh)
            await self.seek_wait({tp: begins[tp] for tp in fresh})
