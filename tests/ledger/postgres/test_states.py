import threading


def test_writers_and_expiry_do_not_hurt_each_other(store) -> None:
    lost: list[str] = []

    def write(worker: int) -> None:
        for number in range(50):
            name = f"{worker}-{number}"
            store.keep_state("k_1", name, name.encode(), 10 if number % 2 else 1000)
            if number % 2 == 0 and store.state("k_1", name, 20) != name.encode():
                lost.append(name)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(3)]
    for thread in threads:
        thread.start()
    expired = 0
    while any(thread.is_alive() for thread in threads):
        expired += store.expire_states(20, limit=7)
    expired += store.expire_states(20)
    assert (lost, expired) == ([], 75)


def test_what_is_kept_anew_while_it_expires_stays(store, sql) -> None:
    store.keep_state("s", "i", b"old", 10)
    for turn in range(20):
        sweeper = threading.Thread(target=store.expire_states, args=(20,))
        sweeper.start()
        store.keep_state("s", "i", b"%d" % turn, 1000)
        sweeper.join()
        assert store.state("s", "i", 500) == b"%d" % turn
        store.keep_state("s", "i", b"old", 10)


def test_large_bodies_come_back(store) -> None:
    body = bytes(range(256)) * 20_000
    store.keep_state("s", "i", body, 10)
    assert store.state("s", "i", 0) == body
