"""Line numbers of everything a TOML text names, on documents made by hypothesis and by hand."""

import string
import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.config.lines import Lines

BARE = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=6)
ODD = st.lists(st.sampled_from([*"ab .#=[]{},'\"\\\n\té", "[[x]]", "'''", '"""']), max_size=6).map("".join)
KEYS = st.one_of(BARE, ODD)


def basic(text: str) -> str:
    """``text`` as a TOML basic string."""
    out = "".join({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}.get(char, char) for char in text)
    return f'"{out}"'


def key_text(draw: st.DrawFn, key: str) -> str:
    if (
        key
        and all(char in string.ascii_letters + string.digits + "_-" for char in key)
        and draw(st.booleans())
    ):
        return key
    if "'" not in key and "\n" not in key and draw(st.booleans()):
        return f"'{key}'"
    return basic(key)


class Writer:
    """Writes a document and notes on which line each path began."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""
        self.expected: dict[tuple[str | int, ...], int] = {(): 1}

    @property
    def line(self) -> int:
        return self.text.count("\n") + 1

    def blank(self, newlines: bool) -> None:
        pieces = [" ", "\t", ""] + (["\n", " # [no] = 'x'\n", "\r\n"] if newlines else [])
        self.text += self.draw(st.sampled_from(pieces))

    def note(self, path: tuple[str | int, ...], *, own: bool = False) -> None:
        if own:
            self.expected[path] = self.line
        self.expected.setdefault(path, self.line)

    def value(self, path: tuple[str | int, ...], depth: int, *, inline: bool = False) -> None:
        kind = self.draw(st.integers(0, 5 if depth else 3))
        if kind == 0:
            self.text += self.draw(st.sampled_from(["1", "-0.5e3", "true", "1979-05-27 07:32:00", "inf"]))
        elif kind == 1:
            self.text += basic(self.draw(ODD))
        elif kind == 2:
            body = self.draw(ODD).replace("\\", "").replace('"', "x")
            self.text += (
                '"""' + body + self.draw(st.sampled_from(["", '\\"""', "\n# [a]\n", '"', '""'])) + '"""'
            )
        elif kind == 3:
            body = self.draw(ODD).replace("'", "")
            self.text += "'''\n" + body + self.draw(st.sampled_from(["", "\n[[b]]\n", "'", "''"])) + "'''"
        elif kind == 4:
            self.array(path, depth - 1, inline=inline)
        else:
            self.inline(path, depth - 1)

    def array(self, path: tuple[str | int, ...], depth: int, *, inline: bool) -> None:
        self.text += "["
        for element in range(self.draw(st.integers(0, 3))):
            if element:
                self.text += ","
            self.blank(newlines=True)
            self.note((*path, element))
            self.value((*path, element), depth)
            self.blank(newlines=True)
        self.text += "]"

    def inline(self, path: tuple[str | int, ...], depth: int) -> None:
        self.text += "{"
        for position, key in enumerate(self.draw(st.lists(KEYS, max_size=3, unique=True))):
            if position:
                self.text += ","
            self.blank(newlines=False)
            self.note((*path, key))
            self.text += key_text(self.draw, key) + "="
            self.blank(newlines=False)
            self.value((*path, key), depth, inline=True)
            self.blank(newlines=False)
        self.text += "}"

    def pairs(self, table: tuple[str | int, ...], keys: list[str], reserved: set[str]) -> None:
        for key in keys:
            if key in reserved:
                continue
            self.blank(newlines=True)
            names = [key, *self.draw(st.lists(KEYS, max_size=2))]
            path = table
            for name in names:
                path += (name,)
                self.note(path)
            dot = self.draw(st.sampled_from([".", " . "]))
            self.text += dot.join(key_text(self.draw, name) for name in names)
            self.blank(newlines=False)
            self.text += "="
            self.blank(newlines=False)
            self.value(path, 2)
            self.text += self.draw(st.sampled_from(["\n", " # ] } [\n", "\r\n"]))


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[tuple[str | int, ...], int]]:
    writer = Writer(draw)
    tables = draw(st.lists(KEYS, max_size=4, unique=True))
    writer.pairs((), draw(st.lists(KEYS, max_size=3, unique=True)), set(tables))
    for name in tables:
        elements = draw(st.integers(0, 3))  # 0: a plain table
        for element in range(elements or 1):
            writer.blank(newlines=True)
            path: tuple[str | int, ...] = (name,)
            writer.note(path, own=elements == 0)
            if elements:
                path += (element,)
                writer.note(path)
            quotes = ("[[", "]]") if elements else ("[", "]")
            writer.text += quotes[0] + key_text(draw, name) + quotes[1] + "\n"
            subs = draw(st.lists(KEYS, max_size=2, unique=True))
            writer.pairs(path, draw(st.lists(KEYS, max_size=3, unique=True)), set(subs))
            for sub in subs:  # [name.sub] belongs to the last element
                writer.blank(newlines=True)
                writer.note((*path, sub))
                writer.text += f"[{key_text(draw, name)}.{key_text(draw, sub)}]\n"
                writer.pairs((*path, sub), draw(st.lists(KEYS, max_size=2, unique=True)), set())
    return writer.text, writer.expected


@settings(max_examples=200, deadline=None)
@given(documents())
def test_every_path_of_a_made_document_is_found_on_its_line(
    document: tuple[str, dict[tuple[str | int, ...], int]],
) -> None:
    text, expected = document
    tomllib.loads(text)  # the writer writes valid TOML
    lines = Lines(text)
    assert {path: lines.of(*path) for path in expected} == expected


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from([*"ab.=[]{}'\"\\#,\n \r1"]), max_size=60))
def test_any_text_at_all_ends_without_raising(text: str) -> None:
    assert Lines(text).of("a", 0, "b") >= 1


def test_deep_nesting_does_not_raise() -> None:
    assert Lines("a = 1\nb = " + "[" * 5000).of("b") == 2


CONFIG = '''\
# [providers.acme] in a comment
motto = """
[providers.acme]
base_url = "x" """

[providers.acme]   # first
wire = "openai_chat"
headers = { "x-a" = "[1]", b = "#" }
[[providers.acme.models]]
id = "a"

[[providers.acme.models]]
id = "b"
aliases = [
  "one", # ]
  "two",
]

[ "providers" . 'b.eta' ]
retry.first = 1
'''


def test_a_config_as_people_write_it() -> None:
    lines = Lines(CONFIG)
    assert lines.of("motto") == 2
    assert lines.of("providers", "acme") == 6
    assert lines.of("providers", "acme", "headers", "b") == 8
    assert lines.of("providers", "acme", "models") == 9
    assert lines.of("providers", "acme", "models", 0, "id") == 10
    assert lines.of("providers", "acme", "models", 1) == 12
    assert lines.of("providers", "acme", "models", 1, "aliases", 1) == 16
    assert lines.of("providers", "b.eta") == 19
    assert lines.of("providers", "b.eta", "retry", "first") == 20


def test_what_is_not_in_the_text_is_found_at_its_nearest_ancestor() -> None:
    lines = Lines(CONFIG)
    assert lines.of("providers", "acme", "models", 1, "input_mtok") == 12
    assert lines.of("server", "port") == 1


def test_a_table_with_a_late_header_begins_at_its_header() -> None:
    assert Lines("[a.b]\nx = 1\n[a]\ny = 2\n").of("a") == 3
