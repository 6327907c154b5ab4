"""The settings of ``watch``: those of the detector, and where a brand differs."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import Field

from processors.brand_state import BrandState
from processors.surge import Surge
from schemas.checkpoint import KnownGap
from schemas.component import ComponentConfig
from schemas.enriched import BrandRole
from schemas.incident import Incident
from schemas.signals import Command, Mention

__all__ = ["BrandDetectors", "BrandSettings", "WatchSettings"]


class BrandSettings(ComponentConfig):
    """What holds for one brand instead; unset: what holds for all."""

    threshold: float | None = Field(
        None, gt=0, description="Score that is unusual; `tingchao tune` finds one."
    )


class WatchSettings(Surge.Config):
    """The section ``[watch]``."""

    brands: dict[str, BrandSettings] = Field(
        {}, description="By brand id, what holds for that brand instead."
    )

    def of(self, brand: str) -> Surge.Config:
        """What holds for one brand."""
        own = self.brands.get(brand)
        changes = own.model_dump(exclude_none=True) if own is not None else {}
        return self.model_copy(update=changes) if changes else self


class BrandDetectors:
    """One detector for all brands, and one for each that has settings of its own.

    Itself a ``processors.watching.Detector``: it hands every call on to the brand's.
    """

    def __init__(self, settings: WatchSettings) -> None:
        self._usual = Surge(settings)
        self._own = {brand: Surge(settings.of(brand)) for brand in settings.brands}

    def _of(self, brand: str) -> Surge:
        return self._own.get(brand, self._usual)

    def new_state(self, brand: str, role: BrandRole) -> BrandState:
        """A brand never heard of."""
        return self._of(brand).new_state(brand, role)

    def mention(self, state: BrandState, mention: Mention) -> list[Incident]:
        """One mention of the brand."""
        return self._of(state.brand).mention(state, mention)

    def advance(
        self, state: BrandState, watermark: datetime, gaps: Sequence[KnownGap] = ()
    ) -> list[Incident]:
        """Time has passed."""
        return self._of(state.brand).advance(state, watermark, gaps)

    def rests_until(self, state: BrandState) -> datetime | None:
        """Before this watermark ``advance`` changes nothing; None: it may at any."""
        return self._of(state.brand).rests_until(state)

    def command(self, state: BrandState, command: Command) -> list[Incident]:
        """A person decided something."""
        return self._of(state.brand).command(state, command)

    def gap(self, state: BrandState, started_at: datetime) -> None:
        """A source is not heard since then."""
        self._of(state.brand).gap(state, started_at)
