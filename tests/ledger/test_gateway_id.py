import re
import subprocess
import sys
from pathlib import Path

import pytest

from tokenworks.errors import ConfigError
from tokenworks.ledger.claims import listed
from tokenworks.ledger.gateway_id import gateway_id, known_gateway_id

TELL = "import sys; from pathlib import Path; from tokenworks.ledger.gateway_id import gateway_id as g"
TELL += "; print(g(Path(sys.argv[1])))"


def test_a_folder_has_one_for_good_and_each_another(tmp_path: Path) -> None:
    assert known_gateway_id(tmp_path / "a") is None
    first = gateway_id(tmp_path / "a")
    assert re.fullmatch("[0-9a-f]{8}", first)
    assert gateway_id(tmp_path / "a") == known_gateway_id(tmp_path / "a") == first
    assert gateway_id(tmp_path / "b") != first
    assert listed(tmp_path / "a") == [], "no worker's file"


def test_asking_makes_nothing(tmp_path: Path) -> None:
    assert known_gateway_id(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_those_who_start_together_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TELL, str(tmp_path / "journal")]
    starts = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({start.communicate()[0] for start in starts}) == 1


@pytest.mark.parametrize("left", [b"", bytes(9)])
def test_one_that_power_loss_left_empty_is_made_anew(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "gateway.id").write_bytes(left)
    assert known_gateway_id(tmp_path) is None
    assert re.fullmatch("[0-9a-f]{8}", gateway_id(tmp_path))


def test_a_damaged_one_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "gateway.id").write_bytes(b"0123 my notes\n")
    with pytest.raises(ConfigError, match="or delete it"):
        gateway_id(tmp_path)
    assert known_gateway_id(tmp_path) is None
    assert (tmp_path / "gateway.id").read_bytes() == b"0123 my notes\n"
