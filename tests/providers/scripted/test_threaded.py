import threading

import httpx
import pytest

from tokenworks.errors import ConfigError
from tokenworks.providers.scripted import running


def test_a_provider_for_tests_that_are_not_asynchronous() -> None:
    before = threading.active_count()
    with running("[[reply]]\ntext = 'hi'") as provider, httpx.Client() as client:
        url = f"{provider.base_url}/chat/completions"
        assert client.post(url, json={"model": "m"}).json()["choices"][0]["message"]["content"] == "hi"
        assert provider.totals().complete == len(provider.requests) == 1
        provider.play("[[reply]]\ntext = 'ho'")
        provider.reset()
        assert "ho" in client.post(url, json={"model": "m"}).text
        assert provider.requests[0].number == 1
    assert threading.active_count() == before


def test_it_stops_and_comes_back_on_its_port() -> None:
    with running() as provider, httpx.Client() as client:
        port = provider.port
        provider.stop()
        with pytest.raises(httpx.ConnectError):
            client.get(f"{provider.base_url}/models")
        provider.start()
        assert provider.port == port and provider.origin.endswith(f":{port}")
        assert client.get(f"{provider.base_url}/models").status_code == 200
        with pytest.raises(OSError, match="in use"), running(port=port):
            pass


def test_a_script_that_can_not_be_used_starts_nothing() -> None:
    before = threading.active_count()
    with pytest.raises(ConfigError), running("[[reply]]\nx = 1"):
        pass
    assert threading.active_count() == before


def test_until_times_out() -> None:
    with running() as provider, pytest.raises(TimeoutError, match="still not so"):
        provider.until(lambda p: p.open_streams > 0, timeout_s=0.01)
