import pytest

from tokenworks.routing.complaints import complaint, failing_of, marks_of, telling_of, timeless


@pytest.mark.parametrize(
    ("text", "failing"),
    [
        ("FAILED tests/test_a.py::test_x - KeyError\n2 failed, 30 passed in 3.1s", 2),
        ("=== 212 passed, 3 warnings in 9.1s ===", 0),
        ("0 failed, 212 passed\n0 errors found", 0),
        ("Tests:       1 failed, 6 passed, 7 total\nTime: 3 s", 1),
        ("test result: ok. 41 passed; 0 failed; 0 ignored", 0),
        ("test result: FAILED. 8 passed; 3 failed; 0 ignored", 3),
        ("[INFO] Tests run: 58, Failures: 0, Errors: 0, Skipped: 2\n[INFO] BUILD SUCCESS", 0),
        ("[ERROR] Tests run: 58, Failures: 4, Errors: 0\n[INFO] BUILD FAILURE", 4),
        ("FAILED (failures=2, errors=1)", 2),
        ("--- FAIL: TestRefund (0.00s)\nFAIL\nFAIL\texample.com/pay\t0.004s", 3),
        ("ok  \texample.com/pay\t0.004s", None),
        ("warning: unused variable: `error`\nwarning: 1 warning", None),
        ("Finished in 1.2 s", None),
        ("test errors::panics_on_error ... ok\ntest result: ok. 1 passed; 0 failed", 0),
        ("a.c:4:2: error: unknown type\na.c:5:2: error: unknown type\nmake: *** [a.o] Error 1", 3),
        ("", None),
    ],
)
def test_how_many_fail_is_read_off_the_summary(text: str, failing: int | None) -> None:
    assert failing_of(telling_of(text)) == failing


def marks(text: str) -> frozenset[str]:
    return marks_of(telling_of(text), text, "x")


def test_the_same_failure_has_the_same_marks_whatever_moves() -> None:
    same = [
        ("src/a.rs:88:13 error[E0502]: cannot borrow", "src/a.rs:91:2 error[E0502]: cannot borrow"),
        (
            "/tmp/a1/x.py: ValueError: at 0x7f3a in 0.31s",
            "/tmp/b2/x.py: ValueError: at 0x11c0 in 12.7s",
        ),
        ("FAILED tests/test_a.py::t - assert 1 == 2", "FAILED tests/test_a.py::t - assert 1 == 3"),
        ("cart/price.go:41:9: undefined: decimal.A", "cart/price.go:41:9: undefined: decimal.B"),
    ]
    for one, other in same:
        assert marks(one) == marks(other) != frozenset(), one
    assert marks("FAILED tests/test_a.py::t - x") != marks("FAILED tests/test_b.py::t - x")
    assert marks("KeyError: 'a'") != marks("ValueError: b")
    assert marks("") == frozenset(("silent x",))


@pytest.mark.parametrize(
    ("text", "complains"),
    [
        ('Traceback (most recent call last):\n  File "a.py", line 1\nKeyError: 1', True),
        (
            'Traceback (most recent call last):\n  File "a.py", line 1\nKeyError: 1\nrecovered, all done',
            False,
        ),
        ("bash: foo: command not found", True),
        ("bash: ./run.sh: 没有那个文件或目录", True),
        ("make: *** No rule to make target 'x'.  Stop.", True),
        ("error: 41\nfailed: 12", False),
        ("Segmentation fault (core dumped)", True),
        ("Segmentation fault 2", False),
        ("listening on port 80", False),
        ("wrote errors.md", False),
    ],
)
def test_a_complaint_is_how_an_output_ends(text: str, complains: bool) -> None:
    assert complaint(text) is complains


def test_times_are_taken_out() -> None:
    assert timeless("done at 10:01:07 in 3.2s") == timeless("done at 11:22:33 in 4 ms")
    assert timeless("step 3") != timeless("step 4")
