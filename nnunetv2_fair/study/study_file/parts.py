"""Mappings of a study's file: only known keys, no conversions; some know their lines."""

from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr, model_validator

from nnunetv2_fair.study.study_file.yaml_lines import Document, Place


class Part(BaseModel):
    """A mapping of the file: only known keys, and no value that would have to be converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class OfDataset(Part):
    """A mapping that may be written as the dataset alone."""

    @model_validator(mode="before")
    @classmethod
    def _dataset_alone(cls, value: Any) -> Any:
        is_id = isinstance(value, int | str) and not isinstance(value, bool)
        return {"dataset": value} if is_id else value


class Placed(Part):
    """A mapping that knows the lines of its entries."""

    _document: Document | None = PrivateAttr(default=None)
    _place: Place = PrivateAttr(default=())

    def put(self, document: Document, place: Place = ()) -> None:
        """Set its place in the file."""
        self._document = document
        self._place = place

    def line(self, *place: str | int) -> int:
        """Return the line of one of its entries, or of the nearest one around it."""
        return 0 if self._document is None else self._document.line(*self._place, *place)
