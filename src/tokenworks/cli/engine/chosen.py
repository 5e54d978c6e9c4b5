"""Which engine a command is about: one of the configuration's, or any GGUF file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tokenworks.cli.home import Place

if TYPE_CHECKING:
    from tokenworks.config.settings import EngineSettings
    from tokenworks.engines.gguf import GgufHead


class Chosen(msgspec.Struct, frozen=True):
    """An engine by name."""

    name: str
    settings: EngineSettings
    head: GgufHead


def chosen(place: Place, model: str | None, path: Path | None, **settings: int | None) -> Chosen:
    """The engine called ``model`` (its name, model or alias), the only one there is, or the file ``path``.

    ``settings`` that are not None replace the engine's own. Raises ConfigError.
    """
    from tokenworks.config.engines import conflict
    from tokenworks.config.rules import problem
    from tokenworks.config.settings import EngineSettings
    from tokenworks.engines.llama_cpp import check_model
    from tokenworks.engines.shelf import as_engine, language_model
    from tokenworks.errors import ConfigError

    if path is not None:
        if model is not None:
            raise ConfigError("give a model or --path, not both")
        name, engine = path.stem, as_engine(path)
    else:
        name, engine = _configured(place, model)
    given = {key: value for key, value in settings.items() if value is not None}
    for key, value in given.items():
        if complaint := problem(EngineSettings, key, value):
            raise ConfigError(f"{key} {complaint}")
    engine = msgspec.structs.replace(engine, **given)
    if found := conflict(engine):
        raise ConfigError(" ".join(found))
    check_model(name, engine)
    head = language_model(Path(engine.path))
    if head.context_length and engine.context_length > head.context_length:
        raise ConfigError(
            f"context_length {engine.context_length} is more than the {head.context_length} tokens that this "
            "model was trained on"
        )
    return Chosen(name, engine, head)


def _configured(place: Place, model: str | None) -> tuple[str, EngineSettings]:
    from tokenworks.errors import ConfigError

    engines = {name: each for name, each in place.settings().engines.items() if each.runtime == "llama_cpp"}
    if not engines:
        raise ConfigError(
            "no model runs here yet; run: tokenworks model add smollm2, or give --path FILE.gguf"
        )
    if model is None:
        if len(engines) > 1:
            raise ConfigError(f"say which engine: {', '.join(sorted(engines))}")
        return next(iter(engines.items()))
    for name, each in engines.items():
        if model in (name, each.model, *each.aliases):
            return name, each
    raise ConfigError(f'no engine is called "{model}"; there are {", ".join(sorted(engines))}')
