"""Dictionaries in QuickFIX's XML format: FIX44.xml, FIXT11.xml, a venue's own.

What is read: `<fix type= major= minor= servicepack=>` with `<header>`, `<trailer>`, `<messages>`, `<components>` and
`<fields>`. Elements and attributes beyond these are ignored, as QuickFIX ignores them. A document type declaration
is refused: no dictionary needs entities, and they are how small files become large.
"""

from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

from feedhandler.wire.fix_dictionary import (
    DEPTH_MAX,
    Dictionary,
    DictionaryError,
    Expansion,
    FieldSpec,
    Member,
    read,
)

_SECTIONS: Final = ("header", "trailer", "messages", "components", "fields")
_MEMBERS: Final = ("field", "group", "component")
_YES: Final = ("Y", "y", "true")


class _Element:
    """An element with its attributes and children; text is of no interest."""

    __slots__ = ("attributes", "children", "line", "name")

    def __init__(self, name: str, attributes: dict[str, str], line: int) -> None:
        self.name = name
        self.attributes = attributes
        self.line = line
        self.children: list[_Element] = []


class _Builder:
    """Makes a tree of what expat reports."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._open: list[_Element] = []
        self.root: _Element | None = None
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype

    def parse(self, data: bytes) -> _Element:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            raise DictionaryError(f"{self._where}:{error.lineno}: {expat.ErrorString(error.code)}") from None
        except (ValueError, LookupError) as error:  # an encoding that Python does not have
            raise DictionaryError(f"{self._where}: {error}") from None
        assert self.root is not None, "expat refuses a document without an element"
        return self.root

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        element = _Element(name, attributes, self._parser.CurrentLineNumber)
        if len(self._open) > DEPTH_MAX:
            raise DictionaryError(f"{self._where}:{element.line}: elements nest deeper than {DEPTH_MAX} levels")
        if self._open:
            self._open[-1].children.append(element)
        elif self.root is None:
            self.root = element
        self._open.append(element)

    def _end(self, name: str) -> None:  # noqa: ARG002 - expat's signature
        self._open.pop()

    def _doctype(self, *_: Any) -> None:
        line = self._parser.CurrentLineNumber
        raise DictionaryError(f"{self._where}:{line}: a document type declaration, expected none")


class _Reader:
    """Reads one tree. Errors name file, line and what was expected."""

    def __init__(self, where: str, root: _Element) -> None:
        self._where = where
        if root.name != "fix":
            raise self._error(root, f"got <{root.name}>, expected <fix>")
        self._root = root
        self._sections = {child.name: child for child in root.children if child.name in _SECTIONS}

    def _error(self, element: _Element, text: str) -> DictionaryError:
        return DictionaryError(f"{self._where}:{element.line}: {text}")

    def _attribute(self, element: _Element, name: str) -> str:
        value = element.attributes.get(name)
        if value is None:
            raise self._error(element, f"<{element.name}> has no {name} attribute")
        return value

    def read(self) -> Dictionary:
        version = self._version()
        fields = self._fields()
        tags = {spec.name: tag for tag, spec in fields.items()}
        components = {
            self._attribute(child, "name"): self._members(child)
            for child in self._children("components", "component", needed=False)
        }
        expansion = Expansion(self._where, tags, components)
        own_frame = not version.startswith("FIX.5")
        ends = {
            name: expansion.message(b"", name, self._members(self._section(name)))
            for name in ("header", "trailer")
            if own_frame or name in self._sections
        }
        messages = {}
        for child in self._children("messages", "message"):
            msg_type = self._attribute(child, "msgtype").encode()
            name = child.attributes.get("name", msg_type.decode())
            messages[msg_type] = expansion.message(msg_type, name, self._members(child))
        header, trailer = (
            {tag: tag in ends[name].required for tag in ends[name].members} if name in ends else {}
            for name in ("header", "trailer")
        )
        header_groups = ends["header"].groups if "header" in ends else {}
        return Dictionary(version, fields, header, trailer, header_groups, messages)

    def _version(self) -> str:
        root = self._root
        kind = root.attributes.get("type", "FIX")
        if kind not in ("FIX", "FIXT"):
            raise self._error(root, f"type is {kind!r}, expected FIX or FIXT")
        pack = root.attributes.get("servicepack", "0")
        suffix = f"SP{pack}" if pack not in ("", "0") else ""
        return f"{kind}.{self._attribute(root, 'major')}.{self._attribute(root, 'minor')}{suffix}"

    def _section(self, name: str) -> _Element:
        section = self._sections.get(name)
        if section is None:
            raise self._error(self._root, f"there is no <{name}> section")
        return section

    def _children(self, section: str, name: str, *, needed: bool = True) -> list[_Element]:
        if not needed and section not in self._sections:
            return []
        return [child for child in self._section(section).children if child.name == name]

    def _fields(self) -> dict[int, FieldSpec]:
        fields: dict[int, FieldSpec] = {}
        names: set[str] = set()
        for child in self._children("fields", "field"):
            name, number = self._attribute(child, "name"), self._attribute(child, "number")
            if not (number.isascii() and number.isdecimal() and 0 < int(number[:10]) < 2**31):
                raise self._error(child, f"field {name} has number {number!r}, expected a tag")
            if name in names:
                raise self._error(child, f"field {name} is defined twice")
            names.add(name)
            values = {
                self._attribute(value, "enum").encode(): value.attributes.get("description", "")
                for value in child.children
                if value.name == "value"
            }
            fields[int(number)] = FieldSpec(int(number), name, self._attribute(child, "type").upper(), values or None)
        if not fields:
            raise self._error(self._section("fields"), "no field is defined")
        return fields

    def _members(self, parent: _Element) -> tuple[Member, ...]:
        return tuple(
            Member(
                child.name,
                self._attribute(child, "name"),
                child.attributes.get("required", "") in _YES,
                self._members(child) if child.name == "group" else (),
                child.line,
            )
            for child in parent.children
            if child.name in _MEMBERS
        )


def parse(data: bytes, where: str = "dictionary") -> Dictionary:
    """Return the dictionary that the XML in `data` describes. Raises DictionaryError, nothing else, for any bytes."""
    return _Reader(where, _Builder(where).parse(data)).read()


def load(path: Path | str) -> Dictionary:
    """Read a file in QuickFIX's format. Raises DictionaryError."""
    return parse(read(Path(path)), str(path))
