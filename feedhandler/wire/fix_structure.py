"""A message taken apart: header, body and trailer, each with its repeating groups, as a dictionary sees them.

An entry of a group begins at the group's first member, or at a member that the entry has already; the group ends at
the first field that is none of its members. That is how QuickFIX reads groups, whatever their count says.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from feedhandler.wire.fix_dictionary import Dictionary, GroupSpec
from feedhandler.wire.fix_message import HEADER_TAGS, TRAILER_TAGS, Field, Message

_NO_GROUPS: Mapping[int, GroupSpec] = {}


class Part:
    """Fields of one level in wire order, and the entries behind each count field."""

    __slots__ = ("fields", "groups")

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self.groups: dict[int, list[Part]] = {}

    def has(self, tag: int) -> bool:
        """Whether a field of this level has the tag."""
        return any(name == tag for name, _ in self.fields)

    def sorted_fields(self) -> list[Field]:
        """Fields in ascending order, 8, 9 and 35 first: the order in which QuickFIX looks at them and writes them."""
        return sorted(self.fields, key=_rank)


class Structure(NamedTuple):
    """The three parts, and the first field that stands in the wrong one (0 = none)."""

    header: Part
    body: Part
    trailer: Part
    misplaced: int


def _rank(field: Field) -> int:
    return {8: -3, 9: -2, 35: -1}.get(field[0], field[0])


def take_apart(message: Message, session: Dictionary | None, application: Dictionary | None) -> Structure:
    """Split `message`; `session` knows the header (and its groups), `application` the body's. None: no groups."""
    header, body, trailer = Part(), Part(), Part()
    spec = application.messages.get(message.msg_type) if application else None
    body_groups = spec.groups if spec else _NO_GROUPS
    header_groups = session.header_groups if session else _NO_GROUPS
    header_tags = HEADER_TAGS.union(session.header) if session else HEADER_TAGS
    trailer_tags = TRAILER_TAGS.union(session.trailer) if session else TRAILER_TAGS
    fields, position, stage, misplaced = message.fields, 0, 0, 0
    while position < len(fields):
        tag = fields[position][0]
        if tag in header_tags:
            part, groups, wrong = header, header_groups, stage > 0
        elif tag in trailer_tags:
            part, groups, wrong, stage = trailer, _NO_GROUPS, False, 2
        else:
            part, groups, wrong, stage = body, body_groups, stage > 1, 1
        if wrong and not misplaced:
            misplaced = tag
        position = _take(part, fields, position, groups)
    return Structure(header, body, trailer, misplaced)


def _take(part: Part, fields: Sequence[Field], position: int, groups: Mapping[int, GroupSpec]) -> int:
    """Take the field at `position`, and the group it counts. Return where the next one is."""
    field = fields[position]
    part.fields.append(field)
    group = groups.get(field[0])
    if group is None:
        return position + 1
    entries = part.groups.setdefault(field[0], [])
    return _take_entries(entries, fields, position + 1, group)


def _take_entries(entries: list[Part], fields: Sequence[Field], position: int, group: GroupSpec) -> int:
    entry: Part | None = None
    seen: set[int] = set()
    delimiter = group.delimiter
    while position < len(fields):
        tag = fields[position][0]
        if tag not in group.members:
            break
        if entry is None or tag == delimiter or tag in seen:
            entry = Part()
            seen = set()
            entries.append(entry)
        seen.add(tag)
        position = _take(entry, fields, position, group.groups)
    return position


def flatten(part: Part, orders: Mapping[int, GroupSpec]) -> list[Field]:
    """Return the fields of `part` ascending, each group behind its count, entries in the order of their group."""
    return _flat(part.sorted_fields(), part, orders)


def _flat(fields: Sequence[Field], part: Part, orders: Mapping[int, GroupSpec]) -> list[Field]:
    flat: list[Field] = []
    for field in fields:
        flat.append(field)
        group = orders.get(field[0])
        if group is None:
            continue
        places = group.members
        for entry in part.groups.get(field[0], ()):
            flat += _flat(sorted(entry.fields, key=lambda f: places[f[0]]), entry, group.groups)
    return flat
