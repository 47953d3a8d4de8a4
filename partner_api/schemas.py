"""What partners receive as JSON. Names are those of the published description."""

from datetime import date
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class SharedDocument(BaseModel):
    """A document that the person's consent lets this client read."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    item: str
    title: str
    media_type: str
    length: int
    source: str | None
    stored_on: date


class SharedDocuments(BaseModel):
    """The documents of one purpose."""

    model_config = ConfigDict(from_attributes=True)

    purpose: str
    documents: list[SharedDocument]
