import threading


def test_what_is_kept_is_there_until_its_time_comes(store) -> None:
    body = bytes(range(256)) * 400
    store.keep_state("k_1", "resp_1", body, expires_us=100)
    assert store.state("k_1", "resp_1", 99) == body
    assert store.state("k_1", "resp_1", 100) is None
    assert store.state("k_2", "resp_1", 0) is None, "another's"
    assert store.state("k_1", "resp_2", 0) is None


def test_kept_again_it_is_replaced(store) -> None:
    store.keep_state("k_1", "r", b"first", 100)
    store.keep_state("k_2", "r", b"other", 100)
    store.keep_state("k_1", "r", b"", 200)
    assert store.state("k_1", "r", 150) == b""
    assert store.state("k_2", "r", 50) == b"other"


def test_forgotten_it_is_gone(store) -> None:
    store.keep_state("k_1", "r", b"x", 100)
    assert not store.forget_state("k_2", "r")
    assert store.forget_state("k_1", "r")
    assert not store.forget_state("k_1", "r")
    assert store.state("k_1", "r", 0) is None


def test_the_oldest_expire_first_and_no_more_than_asked(store) -> None:
    for number in range(10):
        store.keep_state("k_1", f"r{number}", b"x", 100 - number)
    assert store.expire_states(90) == 0
    assert store.expire_states(95, limit=2) == 2
    assert [store.state("k_1", f"r{number}", 0) for number in (9, 8, 7)] == [None, None, b"x"]
    assert store.expire_states(95) == 3
    assert store.expire_states(95) == 0
    assert store.state("k_1", "r4", 0) == b"x"


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
