"""What a FIX version knows: its fields, their types and values, and which message may hold which fields.

Two sources give the same thing: QuickFIX's XML (fix_dictionary_xml.py) and our own compact text
(fix_dictionary_text.py). `fix_validate.py` checks messages with it. Immutable once loaded; share it freely.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

DEPTH_MAX: Final = 32  # of groups and components within each other
MEMBERS_MAX: Final = 1_000_000  # of all messages together, components written out: what a file may ask us to hold
FILE_BYTES_MAX: Final = 32 << 20

APPL_VERSIONS: Final = {
    "FIX.2.7": "0", "FIX.3.0": "1", "FIX.4.0": "2", "FIX.4.1": "3", "FIX.4.2": "4", "FIX.4.3": "5", "FIX.4.4": "6",
    "FIX.5.0": "7", "FIX.5.0SP1": "8", "FIX.5.0SP2": "9",
}  # fmt: skip
"""What a version is called -> its ApplVerID (1128, 1137)."""


class DictionaryError(ValueError):
    """A dictionary that cannot be used; the message names file, place and what was expected."""


class FieldSpec(NamedTuple):
    """One field. `values` is None where any value of the type will do; else value -> its name."""

    tag: int
    name: str
    kind: str  # the type as FIX writes it: INT, PRICE, UTCTIMESTAMP, ...
    values: Mapping[bytes, str] | None = None


class GroupSpec(NamedTuple):
    """A repeating group: its members in the order of the specification, the first of which begins each entry."""

    count_tag: int
    members: Mapping[int, int]  # tag -> place in the order
    required: tuple[int, ...]  # only where the group itself is required
    groups: Mapping[int, "GroupSpec"]

    @property
    def delimiter(self) -> int:
        """The first member."""
        return next(iter(self.members))


class MessageSpec(NamedTuple):
    """A message: the fields of its body outside of groups, and its groups by their count field."""

    msg_type: bytes
    name: str
    members: frozenset[int]
    required: tuple[int, ...]
    groups: Mapping[int, GroupSpec]


class Dictionary(NamedTuple):
    """One version of FIX. An application dictionary of FIX 5.0 has neither header nor trailer."""

    version: str  # "FIX.4.4", "FIXT.1.1", "FIX.5.0SP2"
    fields: Mapping[int, FieldSpec]
    header: Mapping[int, bool]  # tag -> whether every message must have it
    trailer: Mapping[int, bool]
    header_groups: Mapping[int, GroupSpec]
    messages: Mapping[bytes, MessageSpec]

    @property
    def appl_ver_id(self) -> str:
        """The version as 1128 and 1137 say it; "" for FIXT, which is none."""
        return APPL_VERSIONS.get(self.version, "")

    def name_of(self, tag: int) -> str:
        """Return a field's name, or its number where the dictionary does not know it."""
        spec = self.fields.get(tag)
        return str(tag) if spec is None else spec.name


class Member(NamedTuple):
    """What a message, group or component is made of, as the file says it: fields, groups and components in order."""

    kind: str  # "field", "group" or "component"
    name: str
    required: bool
    members: tuple["Member", ...] = ()  # of a group
    line: int = 0


_Placed = tuple[int, Member, bool, tuple[str, ...]]  # tag, member, required, the groups and components around it


class Expansion:
    """Writes components out. Counts what it makes: a file of some lines may otherwise ask for any amount."""

    def __init__(self, where: str, tags: Mapping[str, int], components: Mapping[str, tuple[Member, ...]]) -> None:
        self._where = where
        self._tags = tags
        self._components = components
        self._made = 0

    def message(self, msg_type: bytes, name: str, members: tuple[Member, ...]) -> MessageSpec:
        """Return a message of these members. Raises DictionaryError."""
        flat = [*self._flat(members, required=True, trail=())]
        required = sorted({tag for tag, _, required, _ in flat if required})
        return MessageSpec(msg_type, name, frozenset(tag for tag, *_ in flat), tuple(required), self._groups(flat))

    def _groups(self, flat: list[_Placed]) -> dict[int, GroupSpec]:
        return {tag: self._group(tag, member, trail) for tag, member, _, trail in flat if member.kind == "group"}

    def _group(self, count: int, group: Member, trail: tuple[str, ...]) -> GroupSpec:
        flat = [*self._flat(group.members, required=group.required, trail=(*trail, group.name), in_group=True)]
        if not flat:
            raise DictionaryError(f"{self._where}:{group.line}: group {group.name} is empty, expected fields")
        members: dict[int, int] = {}
        for tag, *_ in flat:
            members.setdefault(tag, len(members))
        required = sorted({tag for tag, _, required, _ in flat if required})
        return GroupSpec(count, members, tuple(required), self._groups(flat))

    def _flat(
        self, members: tuple[Member, ...], *, required: bool, trail: tuple[str, ...], in_group: bool = False
    ) -> Iterator[_Placed]:
        """Yield fields and groups, components written out, each with whether it must be there.

        It must where everything around it must; as QuickFIX has it, what a component brings into a group need not.
        """
        if len(trail) > DEPTH_MAX:
            raise DictionaryError(f"{self._where}: {' > '.join(trail[:4])} ... nests deeper than {DEPTH_MAX} levels")
        for member in members:
            if member.kind == "component":
                inside = self._components.get(member.name)
                if inside is None:
                    raise DictionaryError(f"{self._where}:{member.line}: no component is called {member.name}")
                if member.name in trail:
                    raise DictionaryError(f"{self._where}:{member.line}: component {member.name} contains itself")
                needed = member.required and required and not in_group
                yield from self._flat(inside, required=needed, trail=(*trail, member.name), in_group=in_group)
                continue
            self._made += 1
            if self._made > MEMBERS_MAX:
                raise DictionaryError(f"{self._where}: more than {MEMBERS_MAX} members, components written out")
            yield self._tag(member), member, member.required and required, trail

    def _tag(self, member: Member) -> int:
        tag = self._tags.get(member.name)
        if tag is None:
            raise DictionaryError(f"{self._where}:{member.line}: no field is called {member.name}")
        return tag


def read(path: Path) -> bytes:
    """Return a dictionary file's bytes. Raises DictionaryError."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise DictionaryError(f"{path}: larger than {FILE_BYTES_MAX} bytes")
        return path.read_bytes()
    except OSError as error:
        raise DictionaryError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:  # a path with a zero byte
        raise DictionaryError(f"{path!s}: {error}") from None
