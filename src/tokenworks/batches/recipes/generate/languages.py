"""Which language a file is in, by its name; and whether a block of code says it is another."""

from __future__ import annotations

from pathlib import PurePosixPath

_SUFFIXES = {
    "python": ".py .pyi .pyw",
    "javascript": ".js .mjs .cjs .jsx",
    "typescript": ".ts .mts .cts .tsx",
    "json": ".json .ipynb",
    "toml": ".toml",
    "html": ".html .htm",
    "xml": ".xml .svg .xsd",
    "shell": ".sh .bash",
    "c": ".c .h",
    "c++": ".cpp .cc .cxx .hpp .hh",
    "c#": ".cs",
    "java": ".java",
    "go": ".go",
    "rust": ".rs",
    "kotlin": ".kt .kts",
    "swift": ".swift",
    "scala": ".scala",
    "dart": ".dart",
    "php": ".php",
    "css": ".css .scss",
    "sql": ".sql",
    "yaml": ".yaml .yml",
    "ruby": ".rb",
    "lua": ".lua",
    "markdown": ".md",
}
_OF = {suffix: language for language, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
_LABELS = {
    **{language: language for language in _SUFFIXES},
    "py": "python", "python3": "python", "js": "javascript", "jsx": "javascript", "node": "javascript",
    "mjs": "javascript", "ts": "typescript", "tsx": "typescript", "sh": "shell", "bash": "shell",
    "zsh": "shell", "cpp": "c++", "cs": "c#", "csharp": "c#", "golang": "go", "rs": "rust", "kt": "kotlin",
    "scss": "css", "yml": "yaml", "rb": "ruby", "md": "markdown", "htm": "html", "svg": "xml",
}  # fmt: skip
# What a file may be called as well: each holds what the other does, or nearly so.
_ALIKE = ({"c", "c++"}, {"html", "xml"}, {"javascript", "typescript"}, {"html", "php"})
NAMES = frozenset(("makefile", "dockerfile", "license", "readme", "procfile", "gemfile", "rakefile"))


def of(path: str) -> str:
    """The language of the file; empty where its name doesn't tell."""
    return _OF.get(PurePosixPath(path).suffix.lower(), "")


def named(label: str) -> str:
    """The language that a label or a word of a specification means; as it is where we know none."""
    label = label.strip().lower()
    return _LABELS.get(label, label)


def other(label: str, language: str) -> bool:
    """Does the label of a block say that it is in another language than the file?"""
    said = _LABELS.get(label.lower(), "")
    return bool(said and language) and said != language and not any({said, language} <= a for a in _ALIKE)
