"""XML of unknown origin to a small tree, with nothing in between that could hurt (economy C5).

Bank files are plain: elements, text and a few attributes. Everything else that XML can do is
refused at the first byte of it: document types (and so entities, the billion laughs and external
files), processing instructions, comments inside the document, text beside elements, encodings
other than UTF-8, foreign namespaces. expat does no I/O by itself and is not told how to.
"""

from collections.abc import Iterator
from typing import NoReturn
from xml.parsers import expat

from bank.faults import BankFileError, Fault

FILE_BYTES_MAX = 16 * 1024 * 1024  # economy C5
DEPTH_MAX = 32  # the deepest path of camt.053.001.08 that is read has 12 levels; of all, under 20
ELEMENTS_MAX = 500_000  # 16 MiB as banks write it has about 350,000; measured: 140 MiB of memory

_SPACE = " \t\r\n"  # what XML calls white space; str.strip() would take more
_OPAQUE = "SplmtryData"  # a bank's own additions, in any namespace: checked for form, not kept


class Element:
    """One element: its name, the line it starts on, and either children or text."""

    __slots__ = ("children", "currency", "line", "parent", "tag", "text")

    def __init__(self, tag: str, line: int, parent: "Element | None", currency: str) -> None:
        self.tag = tag
        self.line = line
        self.parent = parent
        self.currency = currency
        self.text = ""
        self.children: list[Element] | None = None

    def every(self, tag: str) -> Iterator["Element"]:
        """Return the children called `tag`, in the order of the file."""
        return (child for child in self.children or () if child.tag == tag)

    def maybe(self, *path: str) -> "Element | None":
        """Return the only element at `path` below this one, or None; twice is refused."""
        here = self
        for tag in path:
            found = list(here.every(tag))
            if not found:
                return None
            if len(found) > 1:
                found[1].refuse(Fault.TWICE)
            here = found[0]
        return here

    def one(self, *path: str) -> "Element":
        """Return the only element at `path` below this one; none, or two, are refused."""
        found = self.maybe(*path)
        if found is None:
            self.refuse(Fault.MISSING, "/".join(path))
        return found

    def refuse(self, fault: Fault, detail: str = "") -> NoReturn:
        """Raise `BankFileError` that points at this element."""
        raise BankFileError(fault, line=self.line, path=_path(self), detail=detail)


def read_document(data: bytes, namespaces: frozenset[str]) -> tuple[str, Element]:
    """Return the namespace and the root of the XML `data`, or raise `BankFileError`.

    The root is `Document` in one of `namespaces`; every element kept is in that same one.
    """
    if len(data) > FILE_BYTES_MAX:
        raise BankFileError(Fault.TOO_LARGE, detail=f"{len(data)} > {FILE_BYTES_MAX}")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BankFileError(Fault.NOT_UTF8, line=line) from error

    builder = _Builder(namespaces)
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        said = expat.ErrorString(error.code) or ""
        raise BankFileError(
            Fault.NOT_XML, line=error.lineno, path=builder.path(), detail=said
        ) from error
    finally:
        builder.release()
    assert builder.root is not None, "expat accepts no document without a root"
    return builder.namespace, builder.root


class _Builder:
    """The tree so far, and where in it the parser stands."""

    def __init__(self, namespaces: frozenset[str]) -> None:
        self.namespaces = namespaces
        self.namespace = ""
        self.root: Element | None = None
        self.here: Element | None = None
        self.depth = 0
        self.elements = 0
        self.opaque_depth = 0  # depth of the element whose inside is not kept; 0: none
        self.pieces: list[str] = []

        self.parser = expat.ParserCreate("UTF-8", " ")
        self.parser.buffer_text = True
        self.parser.XmlDeclHandler = self._declaration
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.ProcessingInstructionHandler = self._instruction
        self.parser.CommentHandler = self._comment
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self.pieces.append

    def path(self) -> str:
        return _path(self.here) if self.here is not None else ""

    def release(self) -> None:
        """Cut the ring of parser and handlers, so that memory returns at once."""
        self.parser.StartElementHandler = self.parser.EndElementHandler = None
        self.parser.XmlDeclHandler = self.parser.StartDoctypeDeclHandler = None
        self.parser.ProcessingInstructionHandler = self.parser.CommentHandler = None

    def _refuse(self, fault: Fault, detail: str = "") -> NoReturn:
        line = self.parser.CurrentLineNumber
        raise BankFileError(fault, line=line, path=self.path(), detail=detail)

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.upper() != "UTF-8":
            self._refuse(Fault.NOT_UTF8, encoding[:40])

    def _doctype(self, *_: object) -> None:
        # Entities are declared inside a document type only: without one there are none.
        self._refuse(Fault.FORBIDDEN, "DOCTYPE")

    def _instruction(self, *_: object) -> None:
        self._refuse(Fault.FORBIDDEN, "processing instruction")

    def _comment(self, _: str) -> None:
        # Readers differ on text around a comment: 10<!-- -->.00 is 10 to some of them.
        if self.depth:
            self._refuse(Fault.FORBIDDEN, "comment")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.elements += 1
        if self.depth > DEPTH_MAX:
            self._refuse(Fault.TOO_COMPLEX, f"depth {DEPTH_MAX}")
        if self.elements > ELEMENTS_MAX:
            self._refuse(Fault.TOO_COMPLEX, f"{ELEMENTS_MAX} elements")
        if self.opaque_depth:
            self.pieces.clear()
            return
        self._take_text_beside_elements()

        namespace, _, tag = name.rpartition(" ")
        if self.here is None:
            if tag != "Document" or namespace not in self.namespaces:
                self._refuse(Fault.WRONG_FORMAT)
            self.namespace = namespace
        elif namespace != self.namespace:
            self._refuse(Fault.FORBIDDEN, "namespace")

        if tag == _OPAQUE:
            self.opaque_depth = self.depth
            return
        line = self.parser.CurrentLineNumber
        element = Element(tag, line, self.here, attributes.get("Ccy", ""))
        if self.here is None:
            self.root = element
        elif self.here.children is None:
            self.here.children = [element]
        else:
            self.here.children.append(element)
        self.here = element

    def _end(self, _: str) -> None:
        self.depth -= 1
        if self.opaque_depth:
            self.pieces.clear()
            if self.depth < self.opaque_depth:
                self.opaque_depth = 0
            return
        assert self.here is not None, "expat closes only what it opened"
        if self.here.children is None:
            self.here.text = "".join(self.pieces).strip(_SPACE)
            self.pieces.clear()
        else:
            self._take_text_beside_elements()
        self.here = self.here.parent

    def _take_text_beside_elements(self) -> None:
        if "".join(self.pieces).strip(_SPACE):
            self._refuse(Fault.FORBIDDEN, "text")
        self.pieces.clear()


def _path(element: Element) -> str:
    """Return where `element` stands, counting from 1 among those of the same name."""
    steps: list[str] = []
    here: Element | None = element
    while here is not None:
        parent = here.parent
        alike = list(parent.every(here.tag)) if parent is not None else [here]
        place = f"[{alike.index(here) + 1}]" if len(alike) > 1 else ""
        steps.append(here.tag[:40] + place)
        here = parent
    return "/".join(reversed(steps))
