"""The indices and templates of one deployment: made, extended, counted, deleted."""

import re
from collections.abc import Iterable
from typing import Any

from elasticsearch import AsyncElasticsearch

from schemas.errors import FatalError
from schemas.language import say
from sinks import mappings
from sinks.bulk import reason_of
from sinks.documents import Names
from sinks.elastic_client import mapped_errors

__all__ = ["Indices"]


class Indices:
    """The administrative side of ``Elasticsearch``.

    Raises, in every method: ``RetryableError`` when the server is away or overloaded,
    ``FatalError`` when it refuses access.
    """

    def __init__(
        self, client: AsyncElasticsearch, names: Names, where: str, settings: mappings.Mapping
    ) -> None:
        self._client = client
        self._names = names
        self._where = where
        self._settings = settings
        self._component = f"{names.prefix}tingchao-settings"

    async def setup(self, more: Iterable[str] = ()) -> None:
        """Put templates and base indices in place, and new fields into existing indices.

        Idempotent; several processes may do it at once. ``more`` names further indices of ours to
        create; usually the first document of a month creates its index through the template.

        Raises:
            FatalError: also when an index of another layout is in the way.
        """
        names, indices = self._names, self._client.indices
        with mapped_errors(self._where):
            await self._client.cluster.put_component_template(
                name=self._component,
                template={"settings": self._settings},
            )
            for name, (patterns, mapping, aliases) in self._templates().items():
                await indices.put_index_template(
                    name=name,
                    index_patterns=patterns,
                    composed_of=[self._component],
                    priority=500,  # above the built-in templates' 200
                    template={"mappings": {"dynamic": "strict", **mapping}, "aliases": aliases},
                )
            for name in (names.undated, names.incidents, names.notices, *sorted(more)):
                await self._create(name)
            for name in await self.existing():
                await self._extend(name)

    async def existing(self) -> list[str]:
        """Our indices, by name: a wildcard could reach another team's ``posts-of-something``."""
        prefix = self._names.prefix
        ours = re.compile(
            rf"{re.escape(prefix)}(posts-(\d{{4}}\.\d{{2}}|undated)|incidents|notices)"
        )
        with mapped_errors(self._where):
            answer = await self._client.indices.get_settings(
                index=[f"{prefix}posts-*", f"{prefix}incidents*", f"{prefix}notices*"],
                filter_path="*.settings.index.uuid",
            )
        return sorted(name for name in answer if ours.fullmatch(name))

    async def refresh(self) -> None:
        """Make everything that was written so far searchable at once."""
        with mapped_errors(self._where):
            if existing := await self.existing():
                await self._client.indices.refresh(index=existing)

    async def counts(self) -> dict[str, int]:
        """Documents by index, of those that exist."""
        with mapped_errors(self._where):
            counts = {}
            for name in await self.existing():
                counts[name] = int((await self._client.count(index=name))["count"])
            return counts

    async def drop(self) -> None:
        """Delete every index and template of this prefix, and nothing else."""
        with mapped_errors(self._where):
            if existing := await self.existing():
                await self._client.indices.delete(index=existing, ignore_unavailable=True)
            gone = self._client.options(ignore_status=404)
            for name in self._templates():
                await gone.indices.delete_index_template(name=name)
            await gone.cluster.delete_component_template(name=self._component)

    async def _extend(self, name: str) -> None:
        indices = self._client.options(ignore_status=400).indices
        error = (await indices.put_mapping(index=name, **self._mapping_of(name))).get("error")
        if error is not None:
            raise FatalError(
                say(
                    f"Elasticsearch（{self._where}）的索引 {name} 与本版本的字段布局不符："
                    f"{reason_of(error)}。请删除或改名该索引，或换一个 prefix。",
                    f"Index {name} of Elasticsearch at {self._where} has another layout than this "
                    f"version's: {reason_of(error)}. Delete or rename it, or set another prefix.",
                )
            )

    async def _create(self, name: str) -> None:
        client = self._client.options(ignore_status=400)
        answer = await client.indices.create(index=name)
        error = answer.get("error")
        if error is not None and error["type"] != "resource_already_exists_exception":
            raise FatalError(f"Elasticsearch {self._where}: {name}: {reason_of(error)}")

    def _mapping_of(self, name: str) -> mappings.Mapping:
        if name == self._names.incidents:
            return mappings.INCIDENT
        return mappings.NOTICE if name == self._names.notices else mappings.POST

    def _templates(self) -> dict[str, tuple[list[str], mappings.Mapping, dict[str, Any]]]:
        names, prefix = self._names, self._names.prefix
        return {
            f"{prefix}tingchao-posts": (
                [f"{prefix}posts-20*.*", names.undated],
                mappings.POST,
                {names.posts: {}},
            ),
            f"{prefix}tingchao-incidents": ([names.incidents], mappings.INCIDENT, {}),
            f"{prefix}tingchao-notices": ([names.notices], mappings.NOTICE, {}),
        }
