"""Brackets of languages whose compiler isn't here."""

import time

import pytest

from tokenworks.batches.recipes.generate.brackets import LANGUAGES, fault

GOOD = {
    "rust": "fn f<'a>(x: &'a str) -> char { let c = '('; let d = '\\''; println!(\"}\"); r#\"(\"#; c } // (",
    "c++": "int main() { auto n = 1'000; auto s = R\"x()(\"])x\"; char c = ')'; /* { */ }",
    "c#": 'class A { string s = @"c:\\(""("; }',
    "typescript": "const f = (s: string) => s.replace(/[(]\\(/g, `(${s})`); const q = a / b / (c);",
    "javascript": "function f(x) { return /\\)/.test(x) } // it's (",
    "go": 'func f() string { return `a ( \\` + "}" }',
    "java": 'class A { String s = """\n  ( " {\n"""; char c = \'"\'; }',
    "kotlin": 'fun f() { println("${g("a")}") }',
    "css": "a { background: url(x;y}); content: '}' }",
    "php": "<?php function f() { return '(' . \"}\"; } # (\n#[Attr]\n",
}


@pytest.mark.parametrize("language", GOOD)
def test_what_is_right_passes_and_what_is_cut_off_does_not(language: str) -> None:
    assert fault(language, GOOD[language]) == ""
    assert (
        fault(language, GOOD[language] + "\n{ (")
        == f"“(” in line {GOOD[language].count(chr(10)) + 2} is never closed"
    )
    assert "without" in fault(language, GOOD[language] + "\n}")


def test_a_comment_that_never_ends() -> None:
    assert fault("go", "a\n/* b {}") == "the comment that begins in line 2 is never closed"
    assert fault("java", "f(\n]") == "“]” in line 2 without “[”"


def test_branches_of_the_preprocessor_are_not_judged() -> None:
    assert fault("c", "#if A\nvoid f(int a) {\n#else\nvoid f() {\n#endif\n}\n") == ""
    assert fault("c", "#if A\nvoid f(\n#endif\n")


@pytest.mark.parametrize("piece", ['"""\\', "\\", "'", '"', "/*", "`", "/a", 'R"', '@"', "r#"])
def test_no_text_takes_for_ever(piece: str) -> None:
    for language in LANGUAGES:
        began = time.process_time()
        fault(language, piece * 4000)
        assert time.process_time() - began < 1.0, language
