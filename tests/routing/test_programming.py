"""Programming languages of prompts: told by marked code, files, signs and names, and not by words that look
like them."""

from __future__ import annotations

import time

import pytest

from tokenworks.routing import programming

TOLD = [
    ("python", "Write a Python function that reverses a string."),
    ("python", "```python\nprint(1)\n```"),
    ("python", "def f(x):\n    return x+1\n\nWhat does this do?"),
    ("python", "fix src/app/main.py and tests/test_main.py"),
    ("python", "Traceback (most recent call last):\n  File \"a\", line 1\nKeyError: 'x'"),
    ("javascript", "const a = [1,2];\nconsole.log(a.map(x => x*2));"),
    ("javascript", "How do I read a file in Node.js?"),
    ("javascript", "function add(a, b) {\n  return a + b;\n}"),
    ("typescript", "interface User {\n  name: string;\n  age: number;\n}\nAdd an email field"),
    ("typescript", "refactor src/components/Button.tsx and index.ts"),
    ("rust", "fn main() {\n    let mut v = vec![1];\n    v.push(2);\n}"),
    ("rust", "How do lifetimes work in rust?"),
    ("rust", "explain this rust code"),
    ("rust", "How do lifetimes work in Rust?"),
    ("go", 'package main\n\nfunc main() {\n\tfmt.Println("x")\n}'),
    ("go", "write a golang http server"),
    ("go", "Write a worker pool in Go."),
    ("java", "public class Main {\n  public static void main(String[] args) {}\n}"),
    ("java", "Explain the Java class hierarchy"),
    ("c", '#include <stdio.h>\nint main(void){ printf("hi"); }'),
    ("c", "Write a linked list in C."),
    ("c++", "#include <iostream>\nint main(){ std::cout << 1; }"),
    ("c++", "Explain move semantics in C++"),
    ("c#", 'using System;\nConsole.WriteLine("x");'),
    ("c#", "How do I use LINQ in C#?"),
    ("sql", "SELECT name, count(*) FROM users WHERE age > 3 GROUP BY name"),
    ("sql", "Write a SQL query for the top 5 customers"),
    ("shell", "#!/bin/bash\nfor i in *; do echo $i; done"),
    ("shell", "how do I find large files with bash?"),
    ("shell", "cat log | grep ERROR | wc -l"),
    ("html", "<!DOCTYPE html><html><body><div>x</div></body></html>"),
    ("css", ".btn {\n  color: red;\n  margin: 0;\n}\nmake it blue"),
    ("php", "<?php echo $this->name; ?>"),
    ("ruby", "def hello\n  puts 'x'\nend"),
    ("kotlin", "fun main() {\n    val x = 1\n    println(x)\n}"),
    ("swift", "import SwiftUI\nstruct V: View { @State private var x = 1 }"),
    ("swift", "Write a Swift app"),
    ("ruby", "write this in Ruby"),
    ("sql", "How do I left join two tables?"),
    ("python", "パイソン: Pythonで書いて"),
    ("python", "用python写一个爬虫"),
    ("java", "用Java写一个单例模式 in Java"),
]
NONE = [
    "What is the capital of France?",
    "Let's go to the beach in summer",
    "I feel rusty, go with me to Java island",
    "Plan a trip to Java in May",
    "Explain Taylor Swift's popularity",
    "Write an email to bob@example.rs about www.site.py",
    "The class meets in Room C at 10:30; bring $5.",
    "Select the best candidate from the list and explain why.",
    "Solve x^2 + 3x = 10 (show steps): x_1, x_2",
    "What is vitamin C good for?",
    "a ruby ring with a pearl",
    "Compare plans A, B and C (prices: $5; $7)",
    "He said: the vehicle was in go mode.",
    "Order by date, group by family: who goes from Rome?",
    "She did it herself. Guardrails on trains; an interval of fun (five days).",
    "A heading\n=========\nHe came from the town and wanted to import goods.",
    "",
    "\x00\ud800```",
]


@pytest.mark.parametrize(("wanted", "text"), TOLD)
def test_it_is_told(wanted: str, text: str) -> None:
    assert programming.of(text) == wanted


@pytest.mark.parametrize("text", NONE)
def test_what_has_none_gets_none(text: str) -> None:
    assert programming.of(text) == ""


def test_marked_code_is_stronger_than_what_is_named() -> None:
    assert programming.of("Rewrite this Python in another way:\n```rust\nfn main() {}\n```") == "rust"
    assert programming.of("```text\nplain\n```") == ""
    assert programming.of("```\nimport pandas as pd\n```") == "python"


def test_of_several_the_one_told_most() -> None:
    assert programming.of("main.py, setup.py and one index.html") == "python"
    assert programming.of("a.ts b.ts c.js") == "typescript", "where both stand, it is the one that is both"


@pytest.mark.parametrize(
    "piece", ["def foo\n", "fn a(b", "a{\n", "select a from ", "a.b-c:d ", ".py", "in C ", "`"]
)
def test_it_takes_no_longer_for_a_long_text(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    began = time.perf_counter()
    programming.of(text)
    assert time.perf_counter() - began < 0.1
