import pytest

from tokenworks.energy import hardware, power


def test_draw_grows_with_use_up_to_its_limit() -> None:
    h100 = power.draw(hardware.load("h100"))
    assert h100.at(0, 0) == 204
    assert h100.at(0.5, 0.2) == pytest.approx(204 + 0.5 * 177 + 594 * 0.2**0.3)
    assert h100.at(1, 1) == 700
    b200 = power.draw(hardware.load("b200"))
    assert b200.at(0.25, 0) == 292 + 604 * 0.5
    assert b200.at(0.5, 0.04) > b200.at(0.25, 0.04)


def test_devices_without_a_row_are_scaled_by_their_kind() -> None:
    assert power.draw(hardware.load("h20")).at(0, 0) == pytest.approx(204 * 400 / 700)
    assert power.draw(hardware.load("gb200")).idle_w == pytest.approx(292 * 1.2)
    for device in hardware.listed():
        assert 0 < power.draw(device).at(0.5, 0.1) <= device.tdp_w + 1e-9


def test_a_server_draws_more_than_its_devices() -> None:
    assert power.server_w(hardware.load("h100"), 100) == pytest.approx(143)
    assert power.server_w(hardware.load("m3-ultra"), 100) == 100  # its figure is that of the whole computer
