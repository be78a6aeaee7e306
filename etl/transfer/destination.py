"""The interface of destinations, to which groups are copied."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from ...store.schema import StoreInfo
from .existing import ExistingStore
from .group import GroupSnapshot
from .object_writers import ObjectWriter


class Destination(ABC):
    """A path or URL to which groups are copied.

    Attributes:
        location: the path or URL, for messages.
        rewritten_whole: whether each copy writes all of the store again, with the groups that exist.
    """

    location: str
    rewritten_whole = False

    @property
    def staged_at(self) -> str:
        """Where an interrupted copy keeps its objects, for messages."""
        return self.location

    @abstractmethod
    def find_existing(self, info: StoreInfo | None = None) -> ExistingStore | None:
        """Return the store that exists at the destination, None if there is none.

        Args:
            info: attributes of the store to be copied. With them, an existing store whose own attributes are damaged
                is recognised by its genome.

        Raises:
            StoreError: something else exists there, or it is damaged and its genome is not known to be the same.
        """

    def check_writable(self) -> None:  # noqa: B027, in object storage the first upload shows it
        """Check, before anything is copied, that the destination can be written to.

        Raises:
            StoreError: it cannot.
        """

    @abstractmethod
    def transaction(self, snapshots: Sequence[GroupSnapshot]) -> AbstractContextManager[None]:
        """Enclose the copy of these groups."""

    @abstractmethod
    def write_group(self, snapshot: GroupSnapshot) -> AbstractContextManager[ObjectWriter]:
        """Enclose the copy of one group, which is published at the end unless an error was raised."""
