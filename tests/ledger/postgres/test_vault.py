import threading

from tokenworks.ledger.rows import ProviderKeyRow


def row(number: int, **fields) -> ProviderKeyRow:
    values = {"id": f"pk_{number}", "provider": "acme", "name": f"key-{number}", "weight": 1.5}
    values |= {"ciphertext": bytes([number]) * 8, "hint": "sk-…abcd", "created_us": number}
    return ProviderKeyRow(**(values | fields))


def test_of_two_with_one_name_at_once_one_is_kept(store) -> None:
    for turn in range(10):
        answers: list[bool] = []
        start = threading.Barrier(3)

        def add(number: int, turn=turn, start=start, answers=answers) -> None:
            start.wait()
            answers.append(store.add_provider_key(row(number, id=f"pk_{turn}_{number}", name=f"n{turn}")))

        threads = [threading.Thread(target=add, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [False, False, True]
    assert len(store.provider_keys()) == len(store.audit()) == 10


def test_weights_are_exact_and_ciphertexts_are_bytes(store) -> None:
    store.add_provider_key(row(1, weight=0.1, ciphertext=bytes(range(256))))
    (found,) = store.provider_keys()
    assert (found.weight, found.ciphertext) == (0.1, bytes(range(256)))
    assert store.reseal_provider_keys({"pk_1": b"a", "pk_2": b"b"}) == 1
