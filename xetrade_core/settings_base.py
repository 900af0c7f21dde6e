"""What every table of settings is made of: closed, frozen, and silent about what it was given."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    """A table of settings; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


#: a list, or its parts with commas between
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
