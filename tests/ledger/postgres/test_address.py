import pytest

from tokenworks.errors import ConfigError
from tokenworks.ledger.postgres.address import Address

SECRET = "hunter2xyz"


def test_everything_in_the_url_reaches_the_driver() -> None:
    url = f"postgresql://me:{SECRET}%40%2F@db.example:6432/tw?sslmode=verify-full&sslrootcert=/ca.pem"
    found = Address(url).parameters
    assert (found["user"], found["password"]) == ("me", f"{SECRET}@/")
    assert (found["host"], found["port"], found["dbname"]) == ("db.example", "6432", "tw")
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", "/ca.pem")


def test_what_the_url_says_goes_before_what_is_usual() -> None:
    usual = Address("postgresql://h/d").parameters
    assert (usual["connect_timeout"], usual["keepalives"]) == (3, 1)
    assert "statement_timeout=30000" in usual["options"]
    found = Address("postgresql://h/d?connect_timeout=9&options=-csearch_path%3Dmine").parameters
    assert found["connect_timeout"] == "9"
    assert found["options"].startswith("-c statement_timeout=30000 ")
    assert found["options"].endswith(" -csearch_path=mine"), "the last one counts"


def test_neither_name_nor_repr_tells_user_or_password() -> None:
    address = Address(f"postgresql://me:{SECRET}@a:1,b:2/tw?sslpassword={SECRET}2")
    assert address.label == "postgresql://a,b:1,2/tw"
    assert repr(address) == "Address('postgresql://a,b:1,2/tw')"
    assert Address("postgresql:///tw?host=/run/pg").label == "postgresql:///run/pg/tw"
    assert address.told(f"no\n  entry for {SECRET}2 and {SECRET}") == "no entry for ... and ..."


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}/x@host/db",
        f"postgresql://me:{SECRET}@{SECRET}@host/db",
        f"postgresql://me:12/{SECRET}@host/db",
        f"postgresql://me:%zz{SECRET}@host/db",
        f"postgresql://me:[{SECRET}@host/db",
        f"postgresql://host/db?nonsense={SECRET}",
        f"postgresql://host/db?password={SECRET}&port=x",
        f"postgresql://host/db#{SECRET}",
    ],
)
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    try:
        address = Address(url)
    except ConfigError as error:
        assert SECRET not in str(error)
        assert "%40 for @" in str(error)
        assert error.__cause__ is None or SECRET not in str(error.__cause__)
        assert error.__suppress_context__ or error.__context__ is None
    else:
        assert SECRET not in address.label
        assert address.parameters.get("password")
