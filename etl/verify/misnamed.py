"""What `factornet-etl verify` says to do about cell lines in folders of other names: nothing that is sound is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from shlex import quote


@dataclass(frozen=True)
class Found:
    """What lies in a folder of a cell line.

    Attributes:
        name: of the cell line; that of the folder where nothing tells of another.
        sound: whether nothing is wrong with it, but perhaps its name.
        manifest: digest of its manifest; nothing where that is not known.
    """

    name: str
    sound: bool
    manifest: str


@dataclass(frozen=True)
class Misnamed:
    """Cures of the cell lines of a local store that lie in folders of other names.

    Attributes:
        store: where it lies.
        found: folder -> what lies in it, of all that were looked at.
        there: whether there is such a folder, looked at or not.
        thorough: whether all folders were looked at, and every object in them by its digest.
    """

    store: str
    found: Mapping[str, Found]
    there: Callable[[str], bool]
    thorough: bool

    def cures(self) -> Iterator[tuple[str, str]]:
        """Folder and cure; also of those that are to change places with a misnamed one."""
        for folder, found in self.found.items():
            if found.name != folder:
                hint = self._cure(folder, found.name)
                yield folder, hint
                if hint == self._exchange(folder, found.name) and self._holds(found.name):
                    # What mends what lies there now would, after that, be done to the sound one.
                    yield found.name, f"as for cells/{folder}; then verify again"

    def _cure(self, folder: str, name: str) -> str:
        claims = sorted(f for f, found in self.found.items() if found.name == name != f)
        chosen = next((f for f in claims if self.found[f].sound), claims[0])
        if not self.there(name):
            return self._move(folder, name) if folder == chosen else _later(chosen)
        if name in self.found and not self._holds(name):  # another cell line lies there
            ring = self._ring(folder)
            if folder == min(ring, default=""):
                return self._exchange(folder, name)
            mends = ": it mends both" if len(ring) == 2 else "; then verify again"
            return f"as for cells/{min(ring)}{mends}" if ring else _later(name)
        if not self.thorough:
            return f"first look at all of the store: factornet-etl verify {quote(self.store)}"
        if name in self.found and self.found[name].sound:
            remove = f"rm -r {self._at(folder)}"
            same = self.found[name].manifest == self.found[folder].manifest
            return remove if same else f"it is of another build than cells/{name}; if that is the one to keep: {remove}"
        return self._exchange(folder, name) if folder == chosen and self.found[folder].sound else _later(name)

    def _holds(self, folder: str) -> bool:
        """Whether a folder that was looked at has the name of what lies in it."""
        return folder in self.found and self.found[folder].name == folder

    def _ring(self, folder: str) -> list[str]:
        """The folders of which each has the cell line of the next, from this one around to it; none where not so."""
        ring: list[str] = []
        while folder in self.found and folder not in ring:
            ring.append(folder)
            folder = self.found[folder].name
        return ring if folder == ring[0] else []

    def _exchange(self, folder: str, name: str) -> str:
        between = f".{folder if folder.startswith('.') else name}"  # a name that no cell line has
        steps = ((name, between), (folder, name), (between, folder))
        return " && ".join(self._move(a, b) for a, b in steps)

    def _move(self, folder: str, name: str) -> str:
        # -T: to the name itself, never into a folder that is there.
        return f"mv -T {self._at(folder)} {self._at(name)}"

    def _at(self, folder: str) -> str:
        return quote(f"{self.store}/cells/{folder}")


def _later(name: str) -> str:
    return f"first mend cells/{name}, then verify again"
