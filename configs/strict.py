"""The base of all settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Frozen, and a key that is not declared is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
