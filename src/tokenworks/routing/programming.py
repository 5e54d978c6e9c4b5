"""Which programming language a text is about: by marked code, names of files, telling signs, and being named.

Nearly all of it is looking for fixed words, which takes a microsecond each; patterns over a whole text would
take a hundred times as long.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

KEEP = 2_000  # characters that are looked at
ENOUGH = 2.0  # weight from which on a language counts as told

_FENCED, _FILE, _SIGN, _NAMED = 4.0, 1.5, 2.0, 2.0
Told = defaultdict[str, float]  # language → how much speaks for it
_MOST_FILES = 3  # of one language that count

_ALIASES = {
    "python": "py python3 python2 ipython pycon pytest",
    "javascript": "js node nodejs mjs jsx ecmascript node.js",
    "typescript": "ts tsx",
    "rust": "rs",
    "go": "golang",
    "java": "",
    "c": "h",
    "c++": "cpp cxx cc hpp cplusplus",
    "c#": "cs csharp",
    "sql": "postgresql postgres mysql sqlite plsql tsql",
    "shell": "sh bash zsh console shell-session shellscript fish",
    "powershell": "ps1 pwsh",
    "html": "htm html5",
    "css": "scss sass less css3",
    "php": "",
    "ruby": "rb",
    "kotlin": "kt kts",
    "swift": "",
    "scala": "",
    "dart": "",
    "lua": "",
    "r": "",
    "haskell": "hs",
    "elixir": "ex exs",
    "perl": "pl pm",
    "julia": "jl",
    "matlab": "octave",
    "vue": "",
    "svelte": "",
    "zig": "",
    "solidity": "sol",
    "terraform": "tf hcl",
    "assembly": "asm nasm",
}
_OF = {alias: name for name, aliases in _ALIASES.items() for alias in (name, *aliases.split())}
_EXTENSIONS = {
    **dict.fromkeys(("py", "pyi", "ipynb"), "python"),
    **dict.fromkeys(("js", "mjs", "cjs", "jsx"), "javascript"),
    **dict.fromkeys(("ts", "tsx", "mts"), "typescript"),
    **dict.fromkeys(("c", "h"), "c"),
    **dict.fromkeys(("cpp", "cc", "cxx", "hpp", "hxx"), "c++"),
    **dict.fromkeys(("sh", "bash", "zsh"), "shell"),
    **dict.fromkeys(("html", "htm"), "html"),
    **dict.fromkeys(("css", "scss", "sass", "less"), "css"),
    **dict.fromkeys(("kt", "kts"), "kotlin"),
    **dict.fromkeys(("ex", "exs"), "elixir"),
    **dict.fromkeys(("pl", "pm"), "perl"),
    "rs": "rust", "go": "go", "java": "java", "cs": "c#", "sql": "sql", "ps1": "powershell", "php": "php",
    "rb": "ruby", "swift": "swift", "scala": "scala", "dart": "dart", "lua": "lua", "r": "r", "hs": "haskell",
    "jl": "julia", "vue": "vue", "svelte": "svelte", "zig": "zig", "sol": "solidity", "tf": "terraform",
    "asm": "assembly",
}  # fmt: skip
_FENCE = re.compile(r"```[ \t]*([A-Za-z][\w+#.-]*)[ \t]*\r?\n")
_FILE_NAME = re.compile(rf"\.({'|'.join(sorted(_EXTENSIONS, key=len, reverse=True))})(?![\w.(@-])")
_BEFORE_DOT = frozenset("_-])")
_LIBRARIES = ("node.js", "next.js", "vue.js", "react.js", "express.js", "three.js", "d3.js", "nuxt.js")

# What can be nothing else.
_CLEAR = (
    *("python", "javascript", "typescript", "golang", "kotlin", "c++", "c#", "php", "sql", "postgresql"),
    *("mysql", "sqlite", "bash", "powershell", "html", "html5", "css", "scala", "haskell", "elixir"),
    *("solidity", "matlab", "nodejs", "svelte", "terraform", "python3"),
)
# Words of their own: only with what shows that programs are meant.
_UNCLEAR = ("rust", "java", "swift", "ruby", "lua", "julia", "zig", "vue", "dart", "assembly", "perl")
_SHORT = ("Go", "C", "R")
_IN = ("in", "using", "with", "auf", "en", "mit", "into", "to", "from")
_ABOUT = frozenset(
    (
        *("code", "program", "programs", "programme", "programmer", "programming", "function", "functions"),
        *("method", "class", "classes", "script", "compiler", "crate", "struct", "package", "module", "app"),
        *("api", "server", "library", "project", "developer", "goroutine", "gem", "snippet", "spring"),
        *("implementation", "example", "lifetimes", "interface", "generics", "syntax", "stream", "streams"),
    )
)
_PHRASES = {f"{word} {name}": name.lower() for name in _SHORT for word in _IN[:-2]} | {
    f"{name} {word}": name.lower()
    for name in _SHORT
    for word in (
        "code",
        "program",
        "function",
        "script",
        "struct",
        "compiler",
        "library",
        "package",
        "module",
    )
}
# Any of these; where several stand together, all of them.
_SIGNS: dict[str, tuple[str | tuple[str, ...], ...]] = {
    "python": (
        ("def ", "):\n"), ("def ", "): "), ("def ", ") -> "), "def f(", "import numpy", "import pandas",
        "import os\n", "import sys", "import re\n", "import json\n", "(self)", "(self,", "elif ",
        "Traceback (most", "pip install", "__init__", "print(f", ("\nfrom ", " import "), "range(len(",
    ),
    "javascript": (
        "console.log(", ("const ", " = "), "=> {", "document.get", "require('", 'require("', "npm install",
        "npm run", ("function ", ") {"), " === ", "useState(",
    ),
    "typescript": (
        ": string;", ": string)", ": string,", ": number;", ": number)", ": number,", ": boolean", "Promise<",
        ": void",
    ),
    "rust": (
        ("fn ", ") {"), ("fn ", ") ->"), "let mut ", "println!(", "&mut ", ".unwrap()", "cargo build",
        "cargo test", "cargo run", "impl<", "&str",
    ),
    "go": (
        "package main", ("func ", ") {\n\t"), ("func (", ") {"), "fmt.Print", "if err != nil", "go build",
        "go test", "go mod init", "go mod tidy", "chan int", "make(chan",
    ),
    "java": (
        "public class ", "public static ", "public void ", "private String ", "private int ", "System.out.",
        "import java", "@Override", "ArrayList<", "private final ",
    ),
    "c": ("#include <std", "#include <string.h>", "#include <math.h>", "#include <unistd.h>", "malloc(",
          'printf("%', "int main(void)", "int main(int argc"),
    "c++": ("#include <iostream>", "#include <vector>", "#include <string>", "#include <memory>", "std::",
            "cout <<", "cout<<", "template <", "template<"),
    "c#": ("using System", "Console.Write", "{ get; set; }", "{ get;", "public async Task", "IEnumerable<"),
    "sql": (
        ("SELECT ", " FROM "), ("select ", " from ", " where ", "="), ("SELECT\n", "FROM "),
        "CREATE TABLE",
        "create table", "INSERT INTO", "insert into", "ALTER TABLE", "LEFT JOIN", "left join", "INNER JOIN",
        "inner join", "GROUP BY", ("group by", "order by"), "DELETE FROM",
    ),
    "shell": (
        "#!/bin/", "#!/usr/bin/env bash", "sudo ", "chmod +", "apt-get ", "apt install", "| grep", "| awk",
        "| xargs", "| wc ", "| sort", "sed -i", "grep -r", "echo $", 'echo "$',
    ),
    "html": ("<!doctype html", "<!DOCTYPE html", "</div>", "</body>", "</html>", "</p>", "</ul>", "<br>"),
    "css": (
        ("color:", ";", "{"), ("margin:", ";"), ("padding:", ";"), "font-size:", "display: flex",
        "grid-template", "background-color:", "@media ",
    ),
    "php": ("<?php", "$this->", "$_GET", "$_POST", "$_SESSION"),
    "ruby": (("def ", "\nend"), ".each do |", "attr_accessor", "rails new", "bundle install"),
    "kotlin": ("fun main(", ("fun ", ") {", "val "), "data class ", "suspend fun"),
    "swift": ("import SwiftUI", "import UIKit", "import Foundation", "guard let ", "@State ", "if let "),
    "powershell": ("Get-ChildItem", "Write-Host", "Get-Content", "Invoke-WebRequest", "Get-Process"),
    "haskell": ((" :: ", " -> "), ("module ", " where\n")),
    "r": ("library(", "ggplot(", "data.frame(", "%>%"),
    "solidity": ("pragma solidity",),
    "terraform": (('resource "', '" {'),),
}  # fmt: skip
_TELLING = frozenset("(){}<>=;:#$|\n")


def of(text: str) -> str:
    """The programming language in small letters, empty where none is told. Of several, the one told most."""
    text = text[:KEEP]
    told: Told = defaultdict(float)
    if "```" in text:
        for label in _FENCE.findall(text):
            if label.lower() in _OF:
                told[_OF[label.lower()]] += _FENCED
        if told:
            return _most(told)
    plain = _without_addresses(text) if "://" in text or "www." in text else text
    lower = plain.lower()
    _names(told, plain, lower)
    if "." in plain:
        _files(told, lower)
    if not _TELLING.isdisjoint(plain) or "JOIN" in plain or " join " in plain:
        for name, signs in _SIGNS.items():
            found = sum(_stands(sign, plain) for sign in signs)
            told[name] += _SIGN * min(found, 2)
    return _most(told)


def _without_addresses(text: str) -> str:
    return " ".join(word for word in text.split(" ") if "://" not in word and not word.startswith("www."))


def _stands(sign: str | tuple[str, ...], text: str) -> bool:
    if isinstance(sign, str):
        return sign in text
    return all(part in text for part in sign)


def _files(told: Told, lower: str) -> None:
    for library in _LIBRARIES:
        if library in lower:
            told["javascript"] += _NAMED
            lower = lower.replace(library, " ")
    found = Counter(
        match.group(1)
        for match in _FILE_NAME.finditer(lower)
        if (before := lower[match.start() - 1 : match.start()]).isalnum() or before in _BEFORE_DOT
    )
    for extension, times in found.items():
        told[_EXTENSIONS[extension]] += _FILE * min(times, _MOST_FILES)


def _names(told: Told, plain: str, lower: str) -> None:
    named = {_OF[name] for name in _CLEAR if name in lower and _alone(name, lower)}
    for name in _UNCLEAR:
        if name in lower and _means_programs(name, lower):
            named.add(name)
    for phrase, name in _PHRASES.items():
        if phrase in plain and _alone(phrase, plain):
            named.add(name)
    for name in named:
        told[name] += _NAMED


def _alone(name: str, text: str) -> bool:
    """Whether it stands there as a word; scripts without spaces put theirs right beside it."""
    at = text.find(name)
    while at >= 0:
        before, after = text[at - 1 : at] if at else "", text[at + len(name) : at + len(name) + 1]
        if not _goes_on(before) and before not in (".", "-") and not _goes_on(after):
            return True
        at = text.find(name, at + 1)
    return False


def _goes_on(sign: str) -> bool:
    return sign.isascii() and (sign.isalnum() or sign in ("_", "+", "#", "'"))


def _means_programs(name: str, lower: str) -> bool:
    at = lower.find(name)
    while at >= 0:
        end = at + len(name)
        before, after = lower[at - 1 : at] if at else "", lower[end : end + 1]
        if not (_goes_on(before) or _goes_on(after) or before in (".", "-") or after == "-"):
            if not (before + after).isascii():
                return True  # beside ideographs it is no word of theirs
            word = lower[end : end + 24].split(" ", 2)[1:2] if after == " " else []
            if word and word[0].strip(".,:;?!)\n") in _ABOUT:
                return True
            last = lower[max(at - 12, 0) : at].split()[-1:] if before == " " else []
            if last and last[0] in _IN[:-2] and name != "assembly":
                return True
        at = lower.find(name, end)
    return False


def _most(told: Told) -> str:
    if told["typescript"] and told["javascript"]:  # what is the one looks like the other as well
        told["typescript"] += told.pop("javascript")
    if told["c++"] and told["c"]:
        told["c++"] += told.pop("c")
    best = max(told, key=lambda name: told[name], default="")
    return best if best and told[best] >= ENOUGH else ""
