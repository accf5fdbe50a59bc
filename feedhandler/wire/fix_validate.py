"""Does a message keep to its dictionary? The checks, their order and their reasons are QuickFIX's.

First the order of the three parts, the message type and what must be there; then field by field, header, trailer,
body, ascending by tag: twice, empty, format, value, known, allowed here; groups by their count. Beyond QuickFIX the
members of groups are looked at too: their order, format and values.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from feedhandler.wire import fix_checks as checks
from feedhandler.wire.fix_checks import Problem, Validation
from feedhandler.wire.fix_dictionary import Dictionary, GroupSpec, MessageSpec
from feedhandler.wire.fix_message import HEADER_TAGS, TRAILER_TAGS, Message, parse_int
from feedhandler.wire.fix_structure import Part, Structure, take_apart
from feedhandler.wire.fix_types import MULTIPLE, is_valid

USER_TAG_MIN: Final = 5000


class Rules(NamedTuple):
    """What a session's messages are checked with. `session` None: no dictionary, `fix_checks.py` alone."""

    session: Dictionary | None = None
    application: Mapping[str, Dictionary] = {}  # by ApplVerID, for FIXT; empty: `session` knows those messages too
    validation: Validation = Validation()

    def application_of(self, message: Message, default: str) -> Dictionary | None:
        """Return the dictionary of the message's body; None where there is none of its ApplVerID."""
        if not self.application or message.is_admin:
            return self.session
        version = message.get(1128)
        return self.application.get(default if version is None else version.decode("latin-1"))


def find_problem(message: Message, rules: Rules, appl_ver_id: str = "") -> Problem | None:
    """Return the first defect of `message`, or None. Sequence, times and CompIDs are the session's business."""
    if rules.session is None:
        return checks.find_problem(message, rules.validation)
    application = rules.application_of(message, appl_ver_id)
    if application is None:
        return Problem(checks.BAD_APPL_VERSION, 1128 if message.get(1128) is not None else None)
    structure = take_apart(message, rules.session, application)
    if rules.validation.order and structure.misplaced:
        return Problem(checks.OUT_OF_ORDER, structure.misplaced)
    spec = application.messages.get(message.msg_type)
    if spec is None:
        return Problem(checks.BAD_MSG_TYPE)
    walk = _Walk(rules.session, application, spec, rules.validation)
    return walk.find(structure) or checks.find_bad_number(message)


class _Walk:
    """One message's way through the checks."""

    def __init__(self, session: Dictionary, application: Dictionary, spec: MessageSpec, validation: Validation) -> None:
        self._session = session
        self._application = application
        self._spec = spec
        self._check = validation

    def find(self, structure: Structure) -> Problem | None:
        session = self._session
        return (
            self._missing(structure)
            or self._fields(structure.header, session, session.header_groups)
            or self._fields(structure.trailer, session, {})
            or self._fields(structure.body, self._application, self._spec.groups, self._spec)
        )

    # ---- what must be there ----

    def _missing(self, structure: Structure) -> Problem | None:
        session = self._session
        for tags, part in ((session.header, structure.header), (session.trailer, structure.trailer)):
            present = {tag for tag, _ in part.fields}
            for tag in sorted(tag for tag, required in tags.items() if required):
                if tag not in present:
                    return Problem(checks.REQUIRED_MISSING, tag)
        return self._missing_in(structure.body, self._spec.required, self._spec.groups)

    def _missing_in(self, part: Part, required: tuple[int, ...], groups: Mapping[int, GroupSpec]) -> Problem | None:
        present = {tag for tag, _ in part.fields}
        for tag in required:
            if tag not in present:
                return Problem(checks.REQUIRED_MISSING, tag)
        for count in sorted(part.groups):
            group = groups[count]
            for entry in part.groups[count]:
                if (problem := self._missing_in(entry, group.required, group.groups)) is not None:
                    return problem
        return None

    # ---- field by field ----

    def _fields(
        self, part: Part, dictionary: Dictionary, groups: Mapping[int, GroupSpec], spec: MessageSpec | None = None
    ) -> Problem | None:
        last = None
        for tag, value in part.sorted_fields():
            if tag == last:
                return Problem(checks.REPEATED, tag)
            last = tag
            problem = self._value(tag, value, dictionary)
            if problem is None and self._is_looked_up(tag):
                problem = self._place(tag, dictionary, spec)
            if problem is None and tag in groups:
                problem = self._group(part, tag, value, dictionary, groups[tag])
            if problem is not None:
                return problem
        return None

    def _value(self, tag: int, value: bytes, dictionary: Dictionary) -> Problem | None:
        if not value and self._check.have_values:
            return Problem(checks.NO_VALUE, tag)
        field = dictionary.fields.get(tag)
        if field is None:
            return None
        kind = "STRING" if field.kind == "CHAR" and dictionary.version < "FIX.4.2" else field.kind
        if not is_valid(kind, value):
            return Problem(checks.BAD_FORMAT, tag)
        if field.values is not None:
            parts = value.split(b" ") if kind in MULTIPLE else (value,)
            if any(one not in field.values for one in parts):
                return Problem(checks.BAD_VALUE, tag)
        return None

    def _is_looked_up(self, tag: int) -> bool:
        return self._check.user_fields or tag < USER_TAG_MIN

    def _place(self, tag: int, dictionary: Dictionary, spec: MessageSpec | None) -> Problem | None:
        if tag not in dictionary.fields:
            unknown_here = tag > 0 and not self._check.unknown_fields
            return None if unknown_here else Problem(checks.INVALID_TAG, tag)
        if spec is None or tag in spec.members or tag in HEADER_TAGS or tag in TRAILER_TAGS:
            return None
        return Problem(checks.NOT_IN_MESSAGE, tag) if self._check.unknown_fields else None

    # ---- groups ----

    def _group(self, part: Part, count: int, value: bytes, dictionary: Dictionary, group: GroupSpec) -> Problem | None:
        entries = part.groups[count]
        if self._check.group_order:
            for entry in entries:
                if (tag := _out_of_order(entry, group)) is not None:
                    return Problem(checks.GROUP_ORDER, tag)
        if parse_int(value) != len(entries):
            return Problem(checks.BAD_COUNT, count)
        for entry in entries:
            for tag, text in entry.fields:
                problem = self._value(tag, text, dictionary)
                if problem is None and tag in group.groups:
                    problem = self._group(entry, tag, text, dictionary, group.groups[tag])
                if problem is not None:
                    return problem
        return None


def _out_of_order(entry: Part, group: GroupSpec) -> int | None:
    """First field of an entry that does not stand where the dictionary has it; an entry begins with the delimiter."""
    places = [group.members[tag] for tag, _ in entry.fields]
    before = -1
    for (tag, _), place in zip(entry.fields, places, strict=True):
        if place < before or (before < 0 and place > 0):
            return tag
        before = place
    return None
