"""From recorded outcomes to the weights that are shipped. The same data and seed give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tokenworks.errors import ConfigError
from tokenworks.routing.learned import WIDTH, Learned
from tokenworks.routing.study import areas as scales
from tokenworks.routing.study import compress, teacher
from tokenworks.routing.study.data import EXTRA, Data
from tokenworks.routing.study.folds import areas as areas_of
from tokenworks.routing.study.folds import folds, hashes, questions
from tokenworks.routing.study.matrix import Features, Progress, Scaling, scaling
from tokenworks.routing.task import TASKS

try:
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression
except ImportError as error:
    raise ConfigError(f"this needs scikit-learn; install it with: {EXTRA}") from error

Floats = NDArray[np.float32]
Used = NDArray[np.bool_]

LANDMARKS = 1_024  # of all areas together
# A prompt is known from this share on of the logit that the least typical quarter of those trained on has.
# The fewer prompts an area was seen with, the surer it must be: half of the second is added at 500 of them.
# Set by leaving sources out (bench/routing.py), so what that reports of them is no test of these two.
REACH = (0.60, 0.12)
_FEW = 500.0
_HANDFUL = 40  # prompts
_NEVER = 1e9  # a logit that nothing reaches
_NEAREST = 30  # prompts that a landmark's local figures are the mean of
_SHRINK = 10.0  # as if so many more had been as usual
_RECOGNISED = 1_500  # prompts of an area that its logit is fitted on
_SMOOTH = 4  # steps to each side that a step is the weighted mean of
_STEPS = 33  # of the isotonic curve
_BANNED = ("routerarena", "router-arena", "router_arena")


def refuse_evaluation_sets(data: Data) -> None:
    """Raise ``ConfigError`` where ``data`` holds material that is for evaluation only, by its own rule."""
    names = [data.folder.name, *data.sources, *set(data.categories)]
    for name in names:
        if any(banned in name.lower().replace(" ", "") for banned in _BANNED):
            raise ConfigError(f"{name} is for evaluation only and never trained on; leave that source out")


def train(
    data: Data,
    found: Features,
    *,
    used: Used | None = None,
    labels: Mapping[str, Used] | None = None,
    seed: int = 0,
    calibrate: bool = True,
    progress: Progress = lambda what, done, total: None,
) -> Learned:
    """Fit everything on the prompts ``used`` (default: all).

    ``labels``: for a source, the prompts whose outcomes may be looked at, where those are fewer still. With
    ``calibrate`` the isotonic curve is fitted on two halves, each predicted by what the other taught.
    """
    refuse_evaluation_sets(data)
    everything = np.ones(len(data.texts), dtype=bool)
    used = everything if used is None else used
    learned = _fit(data, found, used, labels or {}, seed, progress)
    if calibrate:
        learned = replace(learned, steps=_isotonic(data, found, used, labels or {}, seed, progress))
    asked = np.array(questions(data), dtype=object)[used]
    return replace(learned, trained=np.unique(hashes(asked)))


def _fit(
    data: Data, found: Features, used: Used, labels: Mapping[str, Used], seed: int, progress: Progress
) -> Learned:
    scaled = scaling(found, np.flatnonzero(used))
    may = {name: labels.get(name, used) & used for name in data.sources}
    heads = teacher.fit_all(data, may, used, found, scaled, progress, seed)
    if not heads:
        raise ConfigError("no source has two prompts with outcomes; there is nothing to learn from")
    belongs = areas_of(data)
    names = sorted({belongs[head.source] for head in heads})
    area_of = {name: names.index(area) for name, area in belongs.items() if area in names}
    of_prompt = np.array([area_of.get(name, -1) for name in data.source_of], dtype=np.int32)
    of_prompt[~used] = -1
    progress("telling areas apart", 0, 1)
    recognition = teacher.recognition(of_prompt, len(names), found, scaled, seed)
    basis = compress.basis(heads, recognition, found, scaled, seed)
    rows = np.flatnonzero(of_prompt >= 0)
    everywhere = basis.vectors(scaled.apply(found, np.arange(len(of_prompt))))
    vectors = everywhere[rows]
    area_heads, area_bias = _recognised(vectors, of_prompt[rows], len(names), seed)
    landmarks, landmark_area = _landmarks(vectors, of_prompt[rows], seed)
    of_column, mean, weights, seen = _columns(heads, everywhere, scaled, found, area_of)
    scale = scales.scale([m for head in heads for m in head.models], of_column, mean, seen, len(names))
    return Learned(
        areas=names,
        tasks=[_task(data, belongs, name) for name in names],
        models=[model for head in heads for model in head.models],
        area_of=of_column,
        idf=scaled.idf,
        projection=basis.projection,
        scale=basis.scale,
        shape_mean=scaled.mean,
        shape_spread=scaled.spread,
        shape_projection=basis.shape_projection,
        centre=basis.centre,
        area_heads=area_heads,
        area_bias=area_bias,
        mean=mean,
        heads=weights,
        seen=seen,
        hardness=scale.hardness.astype(np.float32),
        slope=scale.slope.astype(np.float32),
        common=_common(of_column, weights, len(names)),
        known_models=scale.models,
        ability=scale.ability.astype(np.float32),
        landmarks=landmarks,
        landmark_area=landmark_area,
        local=_local(heads, everywhere, landmarks, landmark_area, area_of),
        reach=_reach(vectors @ area_heads.T + area_bias, of_prompt[rows]),
        steps=np.array([[0, 1], [0, 1]], dtype=np.float32),
    )


def _columns(
    heads: list[teacher.Heads],
    everywhere: Floats,
    scaled: Scaling,
    found: Features,
    area_of: dict[str, int],
) -> tuple[NDArray[np.int32], Floats, Floats, Floats]:
    """Area, mean, head and evidence of every model of every source."""
    of_column, means, weights, seen = [], [], [], []
    for head in heads:
        wide = scaled.apply(found, head.read)
        mean, weight = compress.taught(head, everywhere[head.read], head.predict(wide))
        of_column += [area_of[head.source]] * len(head.models)
        means.append(mean)
        weights.append(weight)
        seen.append(head.seen)
    return (
        np.array(of_column, dtype=np.int32),
        np.concatenate(means),
        np.concatenate(weights),
        np.concatenate(seen),
    )


def _recognised(vectors: Floats, area: NDArray[np.int32], count: int, seed: int) -> tuple[Floats, Floats]:
    """Heads and biases of a softmax over areas."""
    if count < 2:
        return np.zeros((count, WIDTH), dtype=np.float32), np.zeros(count, dtype=np.float32)
    model = LogisticRegression(C=10.0, max_iter=200, class_weight="balanced")
    chance = np.random.default_rng(seed)
    rows = np.concatenate([chance.permutation(np.flatnonzero(area == a))[:_RECOGNISED] for a in range(count)])
    model.fit(vectors[rows], area[rows])
    heads, bias = model.coef_, model.intercept_
    if count == 2:  # one row is given then, for the second class
        heads, bias = np.concatenate([-heads, heads]) / 2, np.concatenate([-bias, bias]) / 2
    return heads.astype(np.float32), bias.astype(np.float32)


def _reach(told: Floats, area: NDArray[np.int32]) -> Floats:
    """``REACH`` as a logit of each area; what is typical is the mean over areas.

    No prompt is known by an area of a handful of prompts: they teach of their models, not of other prompts.
    """
    sizes = np.bincount(area)
    usual = np.mean([np.quantile(told[area == each].max(1), 0.25) for each in range(len(sizes))])
    share = REACH[0] + REACH[1] * _FEW / (sizes + _FEW)
    found = share * max(float(usual), 1e-3)
    return np.asarray(np.where(sizes < _HANDFUL, _NEVER, found), dtype=np.float32)


def _landmarks(vectors: Floats, area: NDArray[np.int32], seed: int) -> tuple[Floats, NDArray[np.int32]]:
    """Middles of clusters, in each area as many as the root of its prompts has a share of all."""
    sizes = np.bincount(area)
    shares = np.sqrt(sizes) / np.sqrt(sizes).sum()
    found, of = [], []
    for each, share in enumerate(shares):
        mine = vectors[area == each]
        count = min(max(1, round(LANDMARKS * float(share))), max(1, len(mine) // 2))
        middles = MiniBatchKMeans(count, random_state=seed, n_init=1, batch_size=2048, max_iter=20)
        found.append(middles.fit(mine).cluster_centers_.astype(np.float32))
        of += [each] * count
    return np.concatenate(found), np.array(of, dtype=np.int32)


def _local(
    heads: list[teacher.Heads],
    everywhere: Floats,
    landmarks: Floats,
    landmark_area: NDArray[np.int32],
    area_of: dict[str, int],
) -> Floats:
    """How much better than its mean each column did on the prompts nearest to each landmark, [K, C + 1].

    Shrunk by the number of those prompts. The last column is of nobody: zeros.
    """
    columns = []
    for head in heads:
        found = np.zeros((len(landmarks), len(head.models)), dtype=np.float32)
        mine = np.flatnonzero(landmark_area == area_of[head.source])
        vectors = everywhere[head.prompts]
        count = min(_NEAREST, len(vectors))
        far = (vectors**2).sum(1) - 2 * landmarks[mine] @ vectors.T
        nearest = np.argpartition(far, count - 1, axis=1)[:, :count]
        apart = head.score - head.score.mean(0)
        found[mine] = apart[nearest].sum(1) / (count + _SHRINK)
        columns.append(found)
    columns.append(np.zeros((len(landmarks), 1), dtype=np.float32))
    return np.concatenate(columns, axis=1)


def _common(area_of: NDArray[np.int32], heads: Floats, areas: int) -> Floats:
    """What the vector adds for a model that was not seen in an area: the mean of those that were."""
    return np.stack([heads[area_of == area].mean(0) for area in range(areas)]).astype(np.float32)


def _task(data: Data, belongs: Mapping[str, str], area: str) -> str:
    """The first word of an area's categories: "math/gsm8k" is math. Empty: none of ours."""
    of = [
        category
        for category, source in zip(data.categories, data.source_of, strict=True)
        if category and belongs.get(source) == area
    ]
    first = of[0].partition("/")[0] if of else ""
    return first if first in TASKS else ""


def _isotonic(
    data: Data, found: Features, used: Used, labels: Mapping[str, Used], seed: int, progress: Progress
) -> Floats:
    """What came true of each prediction, at ``_STEPS`` places. A source weighs as the root of its size."""
    from tokenworks.routing.study.predict import predictions  # noqa: PLC0415

    part = folds(questions(data), 2, seed + 7)
    said, true, weight = [], [], []
    for half in range(2):
        learned = _fit(data, found, used & (part != half), labels, seed, progress)
        for name, source in data.sources.items():
            rows = np.flatnonzero(
                (used & labels.get(name, used))[source.prompts] & (part[source.prompts] == half)
            )
            if not len(rows):
                continue
            right = predictions(learned, found, source.prompts[rows], source.models)
            score = source.score[rows]
            known = ~np.isnan(score)
            said.append(right[known])
            true.append(score[known])
            weight.append(np.full(int(known.sum()), 1 / np.sqrt(max(int(known.sum()), 1))))
    curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    curve.fit(np.concatenate(said), np.concatenate(true), np.concatenate(weight))
    places = np.linspace(0, 1, _STEPS)
    # A curve of steps would make ties of what was told apart: it is smoothed, and rises everywhere.
    stepped = np.pad(np.asarray(curve.predict(places)), _SMOOTH, mode="edge")
    window = np.bartlett(2 * _SMOOTH + 3)[1:-1]
    values = np.convolve(stepped, window / window.sum(), mode="valid") * 0.9 + places * 0.1
    return np.stack([places, values]).astype(np.float32)
