"""A reader of libconfig texts, as far as ODAS files need it: groups, lists, arrays, numbers, texts, comments.

After the grammar of the libconfig manual, and tolerant where files in the field are: separators between settings and a
comma before a closing bracket may be there or not. `@include` is refused: no other file is opened.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from trad_array_geometry.errors import LayoutError
from trad_array_geometry.tables import shown

# Brackets within brackets; ODAS files have six (our choice).
MAX_DEPTH = 32
# Words, numbers and marks; ODAS files with 256 microphones have some ten thousand (our choice).
MAX_TOKENS = 100_000

_TOKEN = re.compile(
    r"""
    (?P<skip> \s+ | \#[^\n]* | //[^\n]* | /\*.*?\*/ )
    | (?P<text> "(?:[^"\\]++|\\.)*+" )
    | (?P<number> 0[xX][0-9A-Fa-f]+L{0,2} | [-+]? (?:\d+\.?\d*|\.\d+) (?:[eE][-+]?\d+)? L{0,2} )
    | (?P<name> [A-Za-z*][-A-Za-z0-9_*]* )
    | (?P<mark> [{}()\[\]:=;,] )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)


class Group(dict[str, Any]):
    """Settings of one group; `line` is where it begins."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def parse_libconfig(text: str, name: str) -> Group:
    """The settings of a text; lists and arrays become lists.

    Raises
    ------
    LayoutError
        If it does not follow the grammar; names file, line, what was expected and what was found.
    """
    return _Reader(text, name).settings(Group(1), until="", depth=0)


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._tokens = self._split(text)
        self._next = next(self._tokens)

    def _split(self, text: str) -> Iterator[_Token]:
        at, line, left = 0, 1, MAX_TOKENS
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise LayoutError(f"{self._name}: line {line}: expected a setting, found {shown(text[at : at + 12])}")
            if found.lastgroup != "skip":
                left -= 1
                if left < 0:
                    raise LayoutError(f"{self._name}: line {line}: expected at most {MAX_TOKENS} words, found more")
                yield _Token(str(found.lastgroup), found[0], line)
            line += text.count("\n", at, found.end())
            at = found.end()
        yield _Token("end", "", line)

    def _take(self) -> _Token:
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _fail(self, token: _Token, expected: str) -> LayoutError:
        found = shown(token.text) if token.text else "the end of the file"
        return LayoutError(f"{self._name}: line {token.line}: expected {expected}, found {found}")

    def settings(self, group: Group, *, until: str, depth: int) -> Group:
        while True:
            token = self._take()
            if token.text == until and token.kind != "text":
                return group
            if token.kind != "name":
                raise self._fail(token, f"a setting or {until}" if until else "a setting")
            if token.text in group:
                raise LayoutError(f"{self._name}: line {token.line}: {token.text}: expected once, found twice")
            sign = self._take()
            if sign.text not in (":", "="):
                raise self._fail(sign, f"= after {token.text}")
            group[token.text] = self._value(depth)
            if self._next.text in (";", ","):
                self._take()

    def _value(self, depth: int) -> Any:
        token = self._take()
        if depth >= MAX_DEPTH:
            raise self._fail(token, f"at most {MAX_DEPTH} groups and lists within each other")
        if token.text == "{":
            return self.settings(Group(token.line), until="}", depth=depth + 1)
        if token.text in ("(", "["):
            return self._list({"(": ")", "[": "]"}[token.text], depth + 1)
        if token.kind == "text":
            parts = [token.text[1:-1]]
            while self._next.kind == "text":
                parts.append(self._take().text[1:-1])
            return "".join(parts)
        if token.kind == "number":
            return _number(token.text.rstrip("L"))
        if token.kind == "name" and token.text.lower() in ("true", "false"):
            return token.text.lower() == "true"
        raise self._fail(token, "a value")

    def _list(self, end: str, depth: int) -> list[Any]:
        values: list[Any] = []
        while self._next.text != end:
            values.append(self._value(depth))
            if self._next.text == ",":
                self._take()
            elif self._next.text != end:
                raise self._fail(self._next, f", or {end}")
        self._take()
        return values


def _number(text: str) -> int | float:
    if text[:2].lower() == "0x":
        return int(text, 16)
    # Long rows of digits cannot be whole numbers of anything here.
    return int(text) if len(text) < 16 and text.lstrip("+-").isdigit() else float(text)
