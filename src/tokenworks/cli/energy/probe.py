"""``tokenworks energy probe``: what this machine can do at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tokenworks.cli.home import Place, placed
from tokenworks.cli.table import print_json, print_table
from tokenworks.cli.waiting import waiting

if TYPE_CHECKING:
    from tokenworks.energy.hardware import Hardware
    from tokenworks.energy.probe import Probe

_WORDS = {
    "copy": "memory: copy",
    "gemm_bf16": "matrices, bf16",
    "gemm_fp8": "matrices, fp8",
    "attention_paged": "attention, decode, KV in pages",
    "attention_latent": "attention, decode, latent (MLA)",
    "experts_grouped": "experts, grouped",
}


@click.command()
@placed
@click.option("--seconds", type=float, default=20, show_default=True, help="How long to measure, about.")
@click.option("--name", default="this", show_default=True, help="Saved as NAME-cpu and NAME-gpu.")
@click.option("--watts", type=float, help="What this computer draws at work, where it does not tell itself.")
@click.option("--no-gpu", is_flag=True, help="Leave the GPU out.")
@click.option("--no-save", is_flag=True, help="Only show what was measured.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def probe(
    place: Place,
    seconds: float,
    name: str,
    watts: float | None,
    no_gpu: bool,
    no_save: bool,
    as_json: bool,
) -> None:
    """Measure this machine's ceilings: memory bandwidth and matrix rate; through torch, if present, a GPU's.

    What is measured is saved in HOME/hardware, and plans can be made for it: --on this-cpu, --on this-gpu.
    Let nothing else run meanwhile.

    \b
    Examples:
      tokenworks energy probe
      tokenworks energy probe --seconds 60 --name lab --watts 350
      tokenworks energy plan llama-3.1-8b --on this-cpu --precision q4_k --concurrency 1
    """
    from tokenworks.energy import probe as probing
    from tokenworks.energy.probing.accelerator import installed_torch

    if not 0.1 <= seconds <= 3600:
        raise click.BadParameter(f"{seconds:g} is not between 0.1 and 3600", param_hint="--seconds")
    probing.check(name, watts)
    torch = None if no_gpu else installed_torch()
    with waiting() as tell:
        found = probing.probe(seconds, tell, torch)
    made = probing.profiles(found, name, watts)
    saved = [] if no_save else [probing.save(each, place.folder) for each in made]
    if as_json:
        print_json({**probing.as_dict(found, made), "saved": [str(file) for file in saved]})
        return
    _show(found, torch is not None)
    for device, file in zip(made, saved, strict=False):
        click.echo(f"\nsaved {file}")
        click.echo(
            f"plan with it: tokenworks energy plan MODEL --on {device.name} --own --capex USD{_lacks(device)}"
        )


def _show(found: Probe, has_torch: bool) -> None:
    here = found.machine
    click.echo(
        f"{here.processor}: {here.cores} cores, {here.memory_bytes / 2**30:.1f} GiB of memory, "
        f"{here.cache_bytes / 2**20:.0f} MiB of cache; arrays of {found.working_set_bytes / 2**20:,.0f} MiB\n"
    )
    if found.disturbed:
        click.echo(
            f"note: other work ran here (load {found.load:g}), so this machine can do more than is shown\n"
        )
    counts = sorted({each.threads for each in found.bandwidths})
    by_kind: dict[str, list[float]] = {}
    for each in found.bandwidths:
        by_kind.setdefault(each.kind, []).append(round(each.bytes_per_s / 1e9, 2))
    columns = ("memory, GB/s", *(f"{count} thread{'s' if count > 1 else ''}" for count in counts))
    print_table(columns, [(kind, *rates) for kind, rates in by_kind.items()], empty="")
    click.echo()
    columns = (f"matrices of 32-bit floats, {found.blas}", "GFLOP/s")
    print_table(columns, [(p.size, round(p.flops_per_s / 1e9, 1)) for p in found.products], empty="")
    if found.card is None:
        click.echo(
            "\n" + ("torch sees no CUDA device" if has_torch else "no GPU was measured: that takes torch")
        )
        return
    click.echo(
        f"\n{found.card.name}: {found.card.memory_bytes / 2**30:.1f} GiB, {found.card.compute_units} units"
    )
    rows = [
        (
            _WORDS[each.name],
            round(each.bytes_per_s / 1e9, 1) if not each.problem else None,
            round(each.flops_per_s / 1e12, 2) if each.flops_per_s else None,
            each.problem or each.how,
        )
        for each in found.rates
    ]
    print_table(("GPU", "GB/s", "TFLOP/s", "by"), rows, empty="")


def _lacks(device: Hardware) -> str:
    """A word on what the profile can't know."""
    return "" if device.tdp_w else "  (its watts are not known: measure again with --watts, or edit the file)"
