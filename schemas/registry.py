"""Components by name, imported only when they are asked for."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

__all__ = ["LazyRegistry"]


class LazyRegistry(Mapping[str, Any]):
    """Name to class, written as ``module:Class``.

    A process pays only for what it selected: the Elasticsearch client takes most of a second to
    import, the segmenter's and the models' libraries take tens of megabytes.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)

    def __getitem__(self, name: str) -> Any:
        module, _, attribute = self._places[name].partition(":")
        return getattr(import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def module_of(self, name: str) -> str:
        """The module that holds a component."""
        return self._places[name].partition(":")[0]
