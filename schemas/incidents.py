"""Whatever may stand in the topic and the index ``incidents``, told apart by ``kind``."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from schemas.errors import RejectedError
from schemas.incident import Incident, IncidentKind
from schemas.record import explain
from schemas.source_incident import SourceIncident

__all__ = ["AnyIncident", "AnyIncidentKind", "parse_incident"]

AnyIncident = Incident | SourceIncident
AnyIncidentKind = Literal[IncidentKind, "source"]

_incidents: TypeAdapter[AnyIncident] = TypeAdapter(
    Annotated[AnyIncident, Field(discriminator="kind")]
)


def parse_incident(line: bytes) -> AnyIncident:
    """Parse one line of ``incidents``.

    Raises:
        RejectedError: no JSON, or neither kind of incident.
    """
    try:
        return _incidents.validate_json(line)
    except ValidationError as error:
        raise RejectedError(*explain(error)) from error
