"""What every connector, enricher and sink has: a config that documents and checks itself."""

from pydantic import BaseModel, ConfigDict

__all__ = ["ComponentConfig"]


class ComponentConfig(BaseModel):
    """Base of every component's ``Config``.

    Unknown options are refused; every field has a description; secrets are ``SecretStr``, so that
    no repr, log or error shows them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
