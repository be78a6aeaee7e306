"""The interface of a destination: where groups of a store are copied to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from ...store.schema import StoreInfo
from .existing import ExistingStore
from .group import GroupSnapshot
from .object_writers import ObjectWriter


class Destination(ABC):
    """A place that groups are copied to.

    Attributes:
        place: for messages.
        whole: whether it can only be written as a whole, with the groups that are there already.
    """

    location: str
    whole = False

    @property
    def kept(self) -> str:
        """Where what was copied is kept when a copy ends before its end, for messages."""
        return f"in {self.location}"

    @abstractmethod
    def there(self, info: StoreInfo | None = None) -> ExistingStore | None:
        """The store that is there, None where there is none.

        Args:
            info: of the store to be copied: by its genome, one of damaged attributes is known.

        Raises:
            StoreError: something else is there, or it is damaged and not known to be a store of this genome.
        """

    def check_writable(self) -> None:  # noqa: B027, object storage says so on the first upload
        """See, before anything is copied, that the place can be written to.

        Raises:
            StoreError: it cannot; the message has the place as the user gave it.
        """

    @abstractmethod
    def receiving(self, parts: Sequence[GroupSnapshot]) -> AbstractContextManager[None]:
        """The time in which these groups are copied."""

    @abstractmethod
    def group(self, part: GroupSnapshot) -> AbstractContextManager[ObjectWriter]:
        """The time in which one group is copied; at its end, unless by an error, the group is in place."""
