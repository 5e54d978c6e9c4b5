import signal
import subprocess
import sys
from pathlib import Path

from batching import over, submitted, until
from serving import Server, acme

from tokenworks.ledger.store import open_store
from tokenworks.providers.scripted import running

TOKENWORKS = [sys.executable, "-m", "tokenworks"]


def refused(*options: str) -> str:
    done = subprocess.run([*TOKENWORKS, "worker", *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stderr


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert "copy that of the gateway" in refused("--home", str(tmp_path / "none"))
    home = tmp_path / "home"
    subprocess.run([*TOKENWORKS, "init", "--home", str(home)], check=True, capture_output=True, timeout=60)
    assert "no server runs on" in refused("--home", str(home))
    store = f"sqlite:///{tmp_path}/none.db"
    assert "is no store yet" in refused("--home", str(home), "--store", store)


def test_a_worker_by_hand_does_what_no_server_may(tmp_path: Path) -> None:
    """The server's own is switched off; this one asks it."""
    with running() as provider:
        config = "[batches]\nenabled = false\n" + acme(provider.base_url)
        server = Server(tmp_path / "home", config).start()
        command = [*TOKENWORKS, "worker", "--home", str(server.home), "--concurrency", "4", "--name", "mine"]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        store = open_store(f"sqlite:///{server.home / 'tokenworks.db'}")
        try:
            batch = submitted(store, 20, key_id=server.key_id)
            row = until(store, batch.id, over)
            assert (row.status, row.done) == ("completed", 20)
            assert store.batch_workers() == ["mine"]
            worker.send_signal(signal.SIGINT)
            said, complaints = worker.communicate(timeout=60)
            assert worker.returncode == 0, complaints
            assert said == f"Working at batches as mine, by {server.url}; Ctrl-C ends it.\n"
            assert store.batch_workers() == [], "others need not wait for it"
        finally:
            worker.kill()
            worker.wait()
            store.close()
            server.close()
