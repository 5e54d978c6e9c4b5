"""The house rules that no linter knows: names, mirrored tests, sizes, and where providers may be named."""

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "tokenworks"
TESTS = ROOT / "tests"
WHOLE = TESTS / "whole"  # tests of the running program; they mirror no single file
MODULES = sorted(PACKAGE.rglob("*.py"))
BENCH = sorted((ROOT / "bench").glob("*.py"))

BAD_NAME = re.compile(r"(^|_)(utils?|helpers?|common|misc)(_|$)|_v\d+$")


def defines(module: Path) -> list[ast.stmt]:
    """The functions and classes of a module's top level."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node for node in ast.parse(module.read_bytes()).body if isinstance(node, kinds)]


def test_of(module: Path) -> Path | None:
    """Where the tests of ``module`` stand; None for a file that only names or starts something."""
    inside = (
        module.parent.relative_to(PACKAGE) if PACKAGE in module.parents else module.parent.relative_to(ROOT)
    )
    if module.name == "__main__.py":
        return None
    if module.name == "__init__.py":
        return TESTS / inside / f"test_{module.parent.name}.py" if defines(module) else None
    return TESTS / inside / f"test_{module.stem}.py"


test_of.__test__ = False  # type: ignore[attr-defined]


def test_every_module_has_its_test_file_and_every_test_file_its_module() -> None:
    wanted = {test for module in MODULES + BENCH if (test := test_of(module))}
    # a package whose __init__ only re-exports may be tested as a whole
    optional = {TESTS / m.parent.relative_to(PACKAGE) / f"test_{m.parent.name}.py" for m in MODULES}
    there = {t for t in TESTS.rglob("test_*.py") if WHOLE not in t.parents and t != Path(__file__)}
    missing = sorted(str(test.relative_to(ROOT)) for test in wanted - there)
    astray = sorted(str(test.relative_to(ROOT)) for test in there - wanted - optional)
    assert not missing, f"modules without their test file: {missing}"
    assert not astray, f"test files without their module (tests of the whole go to tests/whole): {astray}"


def test_no_file_is_a_drawer() -> None:
    files = [*MODULES, *BENCH, *TESTS.rglob("*.py")]
    bad = [
        str(file.relative_to(ROOT))
        for file in files
        if any(BAD_NAME.search(part) for part in (*file.relative_to(ROOT).parts[:-1], file.stem))
    ]
    assert not bad, f"name what is in them: {bad}"


def limit(module: Path) -> int:
    """Lines that a file should not exceed."""
    place = module.relative_to(PACKAGE)
    if place.parts[0] in ("gateway", "gateway.py"):
        return 250
    if place.parent == Path("providers"):
        return 150
    return 100 if is_policy(module) else 400


def is_policy(module: Path) -> bool:
    return module.parent.name == "routing" and any(getattr(n, "name", "") == "rank" for n in defines(module))


def oversized() -> Iterator[str]:
    for module in MODULES:
        name = module.relative_to(PACKAGE)
        lines = len(module.read_text().splitlines())
        if lines > limit(module):
            yield f"{name}: {lines} lines, better {limit(module)} at most"
        for node in ast.walk(ast.parse(module.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > 60:
                    yield f"{name}:{node.lineno}: {node.name} has {length} lines, better 60 at most"


def test_sizes_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Guidance, not a rule: it is printed and never fails."""
    told = list(oversized())
    if told:
        with capsys.disabled():
            print("\nsizes:", *told, sep="\n  ")


# --- provider names ---------------------------------------------------------------------------

ROOMS = ("providers", "catalog")
ENGLISH = {"together"}  # also a word: only looked for where it is all of a string or a part of a name
# Protocols are called after who made them. Behaviour never hangs on these names.
PROTOCOLS = re.compile(
    r"openai_chat|openai_responses|openai_completions|openai_embeddings|anthropic_messages|openai_body"
    r"|openai_server"
)
ALLOWED = {
    "wire": {"openai", "anthropic"},  # whose protocols its files speak
    "errors.py": {"openai", "openrouter"},  # shapes of error bodies that clients expect
    "engines/door.py": {"openai"},  # tells which protocol an engine's own server speaks
    "api/batches.py": {"openrouter"},  # a field of answers
    "api/hot_paths.py": {"openai"},  # tells people which protocol a path speaks
    "gateway/caller.py": {"openrouter", "anthropic"},  # names of request headers
    "gateway/front.py": {"openrouter"},  # names of the answer's headers
    "gateway/metadata.py": {"openrouter"},  # a field of answers
    "wire/openai_chat/messages.py": {"google"},  # a field of tool calls
    # Settings and packages of coding agents are called after who made them or whose wire they speak.
    "cli/agents/claude.py": {"anthropic"},
    "cli/agents/codex.py": {"openai"},
    "cli/agents/openclaw.py": {"openai"},
    "cli/agents/opencode.py": {"openai"},
}


def provider_names() -> set[str]:
    return {file.stem for file in (PACKAGE / "catalog" / "providers").glob("*.toml")}


def named(name: str, text: str) -> bool:
    """Is ``name`` a word of ``text``, in any case, also as part of a snake_case or CamelCase name?"""
    if name in ENGLISH:
        return re.search(rf"""["']{name}["']|\b{name}_|_{name}\b""", text, re.IGNORECASE) is not None
    parts = [re.escape(part) for part in re.split(r"[-_.]", name)]
    return re.search(rf"(?<![A-Za-z0-9])(?i:{'[-_.]?'.join(parts)})(?![a-z0-9])", text) is not None


def test_providers_are_named_in_their_own_rooms_only() -> None:
    names = provider_names()
    assert names, "no provider files in catalog/providers"
    found = []
    for module in MODULES:
        place = module.relative_to(PACKAGE)
        if place.parts[0] in ROOMS:
            continue
        allowed = ALLOWED.get(place.as_posix(), set()) | ALLOWED.get(place.parts[0], set())
        text = PROTOCOLS.sub("", module.read_text())
        suspects = [name for name in names - allowed if named(name, text)]
        for number, line in enumerate(text.splitlines(), 1):
            found += [f"{place}:{number}: {name}" for name in suspects if named(name, line)]
    assert not found, f"providers are data: {found}"


def test_the_search_for_names_finds_what_it_should() -> None:
    for text in (
        'if name == "openai":',
        "OPENAI_API_KEY",
        "class OpenAIError:",
        "my_openai = 1",
        "# OpenAI's",
    ):
        assert named("openai", text), text
    for text in ("openaire", "notopenai", PROTOCOLS.sub("", 'wire = "openai_chat"')):
        assert not named("openai", text), text
    assert named("together", 'x = "together"')
    assert not named("together", "all connections together")
    assert named("z-ai", "ZAI_API_KEY")


# --- what is shipped --------------------------------------------------------------------------


def test_the_wheel_carries_every_file_of_the_package(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if name.startswith("tokenworks/")}
    source = {
        file.relative_to(PACKAGE.parent).as_posix()
        for file in PACKAGE.rglob("*")
        if file.is_file() and file.suffix not in (".pyc", ".pyo")
    }
    assert shipped == source


def tree() -> list[Path]:
    """Files that belong to the project: what git tracks or would."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("no git here to say which files belong to the project")
    files = (ROOT / name.decode() for name in listed.stdout.split(b"\0") if name)
    return [file for file in files if file.is_file()]


MACHINE_PATH = re.compile(r"(?<![\w.$~])/(?:root|work|Users|home/[a-z])\b(?:/|\b)[\w./-]*")
REGISTRY = re.compile("|".join(("py" + r"pi\.org", "python" + r"hosted\.org", "npm" + r"js\.(?:org|com)")))


def test_nothing_depends_on_one_machine() -> None:
    found = []
    for file in tree():
        if file == Path(__file__):
            continue
        text = file.read_bytes().decode("utf-8", "replace")
        for pattern in (MACHINE_PATH, REGISTRY):
            found += [f"{file.relative_to(ROOT)}: {match.group()}" for match in pattern.finditer(text)]
    assert not found, f"paths or hosts of one machine: {found}"
