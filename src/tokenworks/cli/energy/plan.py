"""``tokenworks energy plan``: one model on some devices, and what comes of it."""

from __future__ import annotations

from typing import Any

import click

from tokenworks.cli.energy.case import case, case_options, model_of, region_of
from tokenworks.cli.home import Place, placed
from tokenworks.cli.table import print_json


@click.command()
@placed
@click.argument("model", required=False)
@click.option("--on", "hardware", required=True, metavar="DEVICE", help="H100, H200, B200, this-cpu ...")
@click.option("--region", metavar="REGION", help="Where power is bought: see energy grid [US].")
@case_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def plan(
    place: Place, model: str | None, hardware: str, region: str | None, as_json: bool, **options: Any
) -> None:
    """Plan one deployment: throughput, times, memory, watts, joules and dollars per token, what they hang on.

    MODEL is a name such as kimi-k2.5, an id of the catalogue, or a file. --config takes a model's config.json
    or GGUF file as well, in place of MODEL.

    \b
    Examples:
      tokenworks energy plan kimi-k2.5 --on H200 --devices 8
      tokenworks energy plan gpt-oss-120b --on B200 --input 8000 --cached 6000 --output 500 --own --region TX
      tokenworks energy plan --config models/my-model/config.json --on H100 --weights fp8
      tokenworks energy plan glm-5 --on H800 --devices 144 --wide --prefill-devices -1 --concurrency 10000
      tokenworks energy plan llama-3.1-8b --on this-cpu --own --capex 2000 --weights q4_k --concurrency 1
    """
    from tokenworks.cli.energy import sheet
    from tokenworks.energy import grid
    from tokenworks.energy.planner import plan as planned

    place, name = model_of(place, model)
    settings = place.settings()
    where = region_of(settings, region)
    result = planned(case(name, hardware, where, options), home=settings.home)
    if as_json:
        print_json(sheet.as_dict(result, grid.as_dict(where)))
    else:
        sheet.show(result, where)
