"""One small training run that several tests look at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from outcomes import write

from tokenworks.routing.learned import Learned
from tokenworks.routing.study import forest
from tokenworks.routing.study.data import Data, load
from tokenworks.routing.study.matrix import Features, features
from tokenworks.routing.study.train import train


@pytest.fixture(scope="session", autouse=True)
def _few_trees() -> Iterator[None]:
    """Made-up outcomes are learned from a few trees as well, in a sixth of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "_TREES", 30)
        yield


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Data, Features]:
    """Made-up outcomes of two kinds of work, and their features."""
    folder: Path = write(tmp_path_factory.mktemp("outcomes"), 240)
    data = load(folder)
    return data, features(data.texts, lambda what, done, total: None)


@pytest.fixture(scope="session")
def learned(recorded: tuple[Data, Features]) -> Learned:
    """Weights of all of it, without calibration."""
    return train(*recorded, calibrate=False)
