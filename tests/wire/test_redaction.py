"""What must never be written down, what only looks like it, and how long looking takes."""

import json
import random
import string
import time

import pytest

from tokenworks.wire.redaction import PIECE, Redaction

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
KEY_BLOCK = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nabcd\n-----END RSA PRIVATE KEY-----"
LETTERS = string.ascii_letters + string.digits


def made(count: int, alphabet: str = LETTERS, seed: int = 7) -> str:
    return "".join(random.Random(seed).choices(alphabet, k=count))


HITS = {
    "API_KEY": [
        "sk-proj-" + made(40),
        "sk-" + made(300),
        "tw-" + made(43),
        "AKIA" + made(16, string.ascii_uppercase),
        "AIza" + made(35),
        "ghp_" + made(36),
        "github_pat_" + made(60),
        "glpat-" + made(20),
        "xoxb-" + made(30, string.digits),
        "sk_live_" + made(24),
        "hf_" + made(34),
        "npm_" + made(36),
        "abc-" + made(80),
        "SG." + made(22) + "." + made(43),
        "123456789:AA" + made(33),
    ],
    "TOKEN": [JWT],
    "PRIVATE_KEY": [KEY_BLOCK],
    "EMAIL": ["ann.lee+news@mail.example.co.uk", "x@y.io", "jürgen@example.de"],
    "CARD": ["4111 1111 1111 1111", "5500005555555559", "3782-822463-10005", "6011000990139424"],
    "IBAN": ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "NO93 8601 1117 947"],
    "PHONE": [
        "+49 30 1234567",
        "+14155552671",
        "+44 (0)20 7946 0958",
        "(206) 555-0100",
        "206-555-0100",
        "206.555.0100",
        "030 12345678",
        "0171/1234567",
        "01 23 45 67 89",
    ],
}

MISSES = [
    "git@github.com:me/repo.git, user@localhost, @decorator, pkg@1.2.3, a @ b.com",
    "2024-01-15 10:11:12, 01/02/2024 00:00:00, 192.168.100.200, 3.14159265358979, 0.123456789012",
    "1234567890 1700000000000 4111111111111112 0000000000000000 1.4111111111111111",
    "555-0100, 1-800, 2001-2002-2003, f(0), 0 1 2 3 4 5 6 7 8 9, 12-34-56, 100+23456789",
    "123e4567-e89b-12d3-a456-426614174000 DE89 3704 0044 0532 0130 01 AB12345678901234567",
    "password = get_password(), token: str, secret: Optional[str] = None, password: string",
    "http://host:8080/path@x, https://example.org/a:b, the bearer of this letter, bearer authentication",
    "sk-learn sk-short -----BEGIN CERTIFICATE----- eyJhb.c hf_hub_download basic understanding",
    "the secret: nobody knows; api_key parameter",
]


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind in HITS for value in HITS[kind]])
@pytest.mark.parametrize("around", ["{}", "it is {}, they said.", '{{"a": "{}"}}', "<{}>\n", "({})"])
def test_what_is_found(kind: str, value: str, around: str) -> None:
    assert Redaction().redact(around.format(value)) == around.format(f"[{kind}_1]")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Authorization: Bearer abcdefgh", "Authorization: Bearer [TOKEN_1]"),
        ("token: bearer a8f7d6c5b4a39281706f", "token: bearer [TOKEN_1]"),
        ('-H "Authorization: Basic dXNlcjpwYXNz"', '-H "Authorization: Basic [TOKEN_1]"'),
        ("postgresql://me:hunter2@db/prod", "postgresql://me:[PASSWORD_1]@db/prod"),
        ('{"password": "correcthorse"}', '{"password": "[PASSWORD_1]"}'),
        (r"{\"password\": \"correcthorse\"}", r"{\"password\": \"[PASSWORD_1]\"}"),
        ("export DB_PASSWORD=hunter22", "export DB_PASSWORD=[PASSWORD_1]"),
        ("client_secret = 'a-b-c-d-e'", "client_secret = '[PASSWORD_1]'"),
        ("DE89 3704 0044 0532 0130 00 PLEASE", "[IBAN_1] PLEASE"),
        ("AT61 1904 3002 3457 3201 BANK", "[IBAN_1] BANK"),
    ],
)
def test_only_the_secret_itself_goes(text: str, wanted: str) -> None:
    assert Redaction().redact(text) == wanted


@pytest.mark.parametrize("text", MISSES)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert Redaction().redact(text) == text


def test_the_same_value_is_the_same_placeholder_in_all_texts_of_one_capture() -> None:
    redaction = Redaction()
    assert redaction.redact("a@x.org wrote to b@x.org") == "[EMAIL_1] wrote to [EMAIL_2]"
    assert redaction.redact("answer b@x.org") == "answer [EMAIL_2]"
    assert redaction.redact("(206) 555-0100 = 206.555.0100") == "[PHONE_1] = [PHONE_1]", "however written"
    assert redaction.counts == {"EMAIL": 2, "PHONE": 1}
    assert Redaction().redact("b@x.org") == "[EMAIL_1]", "another capture knows nothing of it"


def test_again_it_stays_as_it_is() -> None:
    text = "\n".join(value for values in HITS.values() for value in values) + '\npassword="hunter22"'
    redaction = Redaction()
    once = redaction.redact(text)
    assert redaction.redact(once) == once
    assert Redaction().redact(once) == once


def test_key_blocks_that_are_cut_off_or_follow_each_other() -> None:
    escaped = KEY_BLOCK.replace("\n", "\\n")
    assert Redaction().redact(f'{{"k": "{escaped}\\n"}}') == '{"k": "[PRIVATE_KEY_1]\\n"}'
    assert Redaction().redact(f"{KEY_BLOCK}\n{KEY_BLOCK}") == "[PRIVATE_KEY_1]\n[PRIVATE_KEY_1]"
    cut = Redaction().redact(
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nMIIEvQIB ADAN then words"
    )
    assert cut.startswith("[PRIVATE_KEY_1]") and "MIIEvQIBADANBgkqhkiG9w0BAQEF" not in cut
    assert cut.endswith("then words")


def test_json_keeps_its_shape() -> None:
    redaction = Redaction()
    value = {"to": ["a@x.org", 1, None, {"x@y.org": "a@x.org"}]}
    assert redaction.redact_json(value) == {"to": ["[EMAIL_1]", 1, None, {"x@y.org": "[EMAIL_1]"}]}
    arguments = json.dumps({"password": 'say "hunter22"', "mail": "a@x.org"})
    assert json.loads(redaction.redact(arguments))["mail"] == "[EMAIL_1]"


def test_long_texts_are_searched_in_pieces_and_nothing_is_lost() -> None:
    line = "word " * 99 + "a@x.org\n"
    text = line * (3 * PIECE // len(line))
    redacted = Redaction().redact(text)
    assert redacted == text.replace("a@x.org", "[EMAIL_1]")


@pytest.mark.parametrize(
    "unit",
    (
        *"a1@%\\",
        "1 ",
        "1-",
        "a@",
        "a.",
        "a@a.",
        "sk-",
        "eyJ",
        "eyJa.",
        "://",
        "a://b:",
        "password=",
        "AB12 ",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN A A ",
        "+1 ",
        "01 ",
        "206-",
        "bearer ",
        "api_",
    ),
)
def test_hostile_input_takes_time_in_proportion(unit: str) -> None:
    """CPU time of 32 KB and of four times as much: a search that is quadratic takes sixteen times as long."""

    def seconds(size: int) -> float:
        text = (unit * (size // len(unit) + 1))[:size]
        started = time.process_time()
        Redaction().redact(text)
        return time.process_time() - started

    small = max(min(seconds(1 << 15) for _ in range(2)), 0.002)
    assert seconds(1 << 17) < 10 * small + 0.02
