"""What training left behind: arrays, how they are kept in a file, and the few formulas that read them."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenworks.errors import ConfigError
from tokenworks.routing.features import BUCKETS
from tokenworks.routing.shapes import NAMES

WIDTH = 64  # of the vector
CLIP = 4.0  # standard deviations that a shape may lie from its mean
SHAPE_WEIGHT = float(np.sqrt(0.15 / len(NAMES)))  # of one shape beside a TF-IDF row of unit length
_SILENT = frozenset(
    ("meta", "instruct", "inst", "chat", "it", "hf", "fp8", "free")
)  # words that tell no models apart

_AT_ONCE = 512  # buckets whose rows are widened to floats together: they stay near the processor

Floats = NDArray[np.float32]


def canonical(model: str) -> str:
    """One spelling for the many of a model: "acme/Big-3_1-70B-Instruct" and "big3.1-70b" are the same."""
    name = model.lower().rpartition("/")[2].partition("@")[0].replace("_", ".")
    return "".join(word for word in name.split("-") if word not in _SILENT)


def expit(value: NDArray[Any]) -> NDArray[Any]:
    """Probability of a logit."""
    return 1 / (1 + np.exp(-value))  # type: ignore[no-any-return]


def logit(share: NDArray[Any]) -> NDArray[Any]:
    """Logit of a probability strictly between 0 and 1."""
    return np.log(share / (1 - share))  # type: ignore[no-any-return]


@dataclass
class Learned:
    """All that ``Difficulty`` knows. P: dimensions of the vector, A: areas, C: columns, K: landmarks."""

    areas: list[str]  # names of the areas of work
    tasks: list[str]  # task type of each area
    models: list[str]  # [C] of a head; a model has one for each area it was seen in
    area_of: NDArray[np.int32]  # [C]
    idf: Floats  # [BUCKETS]
    projection: NDArray[np.int8]  # [BUCKETS, P]
    scale: Floats  # [P] of a step of the projection
    shape_mean: Floats  # [S]
    shape_spread: Floats  # [S]
    shape_projection: Floats  # [S, P]
    centre: Floats  # [P] of vectors before they are scaled
    area_heads: Floats  # [A, P]
    area_bias: Floats  # [A]
    mean: Floats  # [C] share right
    heads: Floats  # [C, P] what the vector adds
    seen: Floats  # [C] outcomes that the head was fitted on
    hardness: Floats  # [A] logit that is taken from a model's ability there
    slope: Floats  # [A] by which its ability is multiplied
    common: Floats  # [A, P] what the vector adds for all that were not seen there
    known_models: list[str]  # with an ability that was fitted
    ability: Floats  # of known_models: logit on a middling area
    landmarks: Floats  # [K, P] vectors of known work
    landmark_area: NDArray[np.int32]  # [K]
    local: Floats  # [K, C + 1] how much better than its mean a column did nearby; the last: nobody
    reach: Floats  # [A] logit of an area from which on a prompt is rather known than not
    steps: Floats  # [2, I] isotonic: predicted, and what came true
    trained: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, dtype=np.uint32))
    # hashes of the questions trained on, in rising order: so that a score on them can be told to be one

    def save(self, path: Path) -> None:
        """Write one compressed ``.npz``; equal contents give equal bytes."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for each in fields(self):
                value = getattr(self, each.name)
                entry = zipfile.ZipInfo(f"{each.name}.npy", (1980, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                if isinstance(value, list):
                    value = np.frombuffer(json.dumps(value, ensure_ascii=False).encode(), dtype=np.uint8)
                elif value.dtype == np.float32 and value.size > WIDTH * 4:
                    value = value.astype(np.float16)
                with archive.open(entry, "w") as file:
                    np.lib.format.write_array(file, np.ascontiguousarray(value), allow_pickle=False)

    @classmethod
    def load(cls, path: Path) -> Learned:
        """Read a file. Raises ``ConfigError`` where it is missing or of another shape."""
        found: dict[str, Any] = {}
        try:
            with np.load(path, allow_pickle=False) as archive:
                for each in fields(cls):
                    if each.name == "trained" and each.name not in archive:
                        continue  # it only serves honesty; weights do without
                    value = archive[each.name]
                    if str(each.type).startswith("list"):
                        found[each.name] = json.loads(value.tobytes())
                    else:
                        found[each.name] = value.astype(np.float32) if value.dtype == np.float16 else value
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ConfigError(
                f"{path}: no weights of this version; make them with: tokenworks route train DATA"
            ) from error
        learned = cls(**found)
        if learned.projection.shape != (BUCKETS, WIDTH) or len(learned.shape_mean) != len(NAMES):
            raise ConfigError(f"{path}: weights of another version; make them anew: tokenworks route train")
        return learned

    def vector(self, where: NDArray[np.intp], how: Floats, shape: Floats) -> Floats:
        """The vector of one prompt, at most of unit length, from its buckets and shapes."""
        weight = how * self.idf[where]
        length = float(np.sqrt(weight @ weight)) or 1.0
        found = np.zeros(WIDTH, dtype=np.float32)
        for begin in range(0, len(where), _AT_ONCE):
            some = slice(begin, begin + _AT_ONCE)
            found += weight[some] @ self.projection.take(where[some], axis=0, mode="clip").astype(np.float32)
        found *= self.scale / max(length, 1e-6)
        standard = (shape - self.shape_mean) / self.shape_spread
        standard = np.minimum(np.maximum(standard, -CLIP), CLIP)
        found += standard @ self.shape_projection - self.centre
        size = float(np.sqrt(found @ found))
        return (found / max(size, 1.0)).astype(np.float32)
