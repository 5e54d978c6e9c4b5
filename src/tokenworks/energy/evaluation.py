"""One case, computed: work becomes seconds, seconds become watts and dollars.

On shared devices a request's cost falls on its tokens by the device-seconds that reading its prompt and
writing its answer take; with pools of their own, by what each pool does.
"""

from __future__ import annotations

from tokenworks.energy import money, pool, power, step_time
from tokenworks.energy.architecture import Architecture
from tokenworks.energy.case import Case
from tokenworks.energy.hardware import Hardware
from tokenworks.energy.outcome import Money, Plan, Power, Speed
from tokenworks.energy.pool import Band
from tokenworks.energy.precision import Precision, precision
from tokenworks.energy.room import Group, Memory, group_of, memory
from tokenworks.energy.serving import Part, Serving, aggregated, apart, known_as, pooled
from tokenworks.energy.work import coverage

BUSY = 0.8  # a pool that works less of the time than this is too large for the other
HOST_LINK_GBPS = 25.0  # GB/s at which kept prefixes come back to a device, from memory or disks of the server


def evaluate(case: Case, arch: Architecture, device: Hardware) -> Plan:
    """The plan of ``case`` without its sensitivity. Raises ``BadRequest`` as ``planner.plan`` does."""
    formats = precision(arch, case.weights, case.kv)
    group = group_of(arch, case, device, formats)
    room = memory(arch, case, device, formats, group)
    terms = case.terms(device)
    money.check(terms)
    running = min(case.concurrency, float(room.at_a_time))
    how = pooled if case.wide else apart if case.prefill_devices else aggregated
    serving = how(arch, case, device, formats, group, running)
    draw = _power(case, device, serving, room.kv_bytes_per_token)
    cost, parts = _money(case, terms, device, serving, draw, room)
    batch = running * case.verified
    return Plan(
        case=case,
        model=arch.name,
        hardware=device.name,
        title=device.title,
        devices=group.devices,
        prefill_devices=serving.prefill_devices,
        tp=group.tp,
        ep=group.ep,
        precision=formats,
        total_parameters=arch.total_parameters,
        active_parameters=arch.active_parameters,
        experts_touched=coverage(arch.experts, arch.experts_per_token, batch),
        memory=room,
        speed=_speed(case, serving),
        power=draw,
        money=cost,
        band=_band(case, arch, device),
        time_parts=serving.parts,
        money_parts=parts,
        notes=tuple(_notes(case, arch, device, formats, group, serving, terms)),
    )


def _speed(case: Case, serving: Serving) -> Speed:
    output = case.output_tokens / serving.device_s
    return Speed(
        prefill_tps=serving.prefill_tps,
        decode_tps=serving.decode_tps,
        input_tps=case.input_tokens / serving.device_s,
        output_tps=output,
        ttft_s=serving.ttft_s,
        tpot_s=serving.tpot_s,
        request_s=serving.ttft_s + serving.tpot_s * (case.output_tokens - 1),
        step_s=serving.step_s,
        running=serving.running,
    )


def _power(case: Case, device: Hardware, serving: Serving, kv_bytes: float) -> Power:
    constants = power.draw(device)
    prefill = constants.at(*serving.prefill_use)
    decode = constants.at(*serving.decode_use)
    share = serving.prefill_share
    mean = prefill * share + decode * (1 - share)
    wall = power.server_w(device, 1.0) * case.pue  # at the wall for each watt of a device
    output = decode * wall / serving.decode_tps
    kwh = output * 1e6 / 3.6e6
    return Power(
        prefill_w=prefill,
        decode_w=decode,
        mean_w=mean,
        server_w=power.server_w(device, mean),
        j_per_input=prefill * wall / serving.prefill_tps,
        j_per_cached=kv_bytes / (HOST_LINK_GBPS * 1e9) * mean * wall,
        j_per_output=output,
        g_per_m_output=kwh * case.g_per_kwh,
    )


def _money(
    case: Case, terms: money.Terms, device: Hardware, serving: Serving, draw: Power, room: Memory
) -> tuple[Money, tuple[Part, ...]]:
    waiting = power.server_w(device, power.draw(device).standby_w)
    hour = money.hour(terms, working_w=draw.server_w, waiting_w=waiting)
    second = hour.total_usd / 3600
    gb = room.kv_bytes_per_token * 1e6 / 1e9  # kept for a million tokens
    cached = gb * case.storage_usd_gb_h * case.hold_h + gb / HOST_LINK_GBPS * second
    new = case.input_tokens - case.cached_tokens
    request = serving.device_s * second + cached * case.cached_tokens / 1e6
    output = serving.decode_device_s * second / case.output_tokens * 1e6
    kwh = draw.j_per_output * 1e6 / 3.6e6
    cost = Money(
        device_hour_usd=hour.total_usd,
        input_usd=serving.prefill_device_s * second / new * 1e6,
        cached_usd=cached,
        output_usd=output,
        request_usd=request,
        power_share=hour.power_share,
        output_power_usd=kwh * case.usd_per_kwh,
        cent_more_usd=kwh * 0.01,
    )
    prompts = serving.device_s * serving.prefill_share * second
    answers = serving.device_s * (1 - serving.prefill_share) * second
    named = [
        (f"reading {new} new input tokens", prompts),
        (f"writing {case.output_tokens} output tokens", answers),
        (f"keeping {case.cached_tokens} cached tokens", cached * case.cached_tokens / 1e6),
    ]
    parts = [Part(name, amount, amount / request) for name, amount in named if amount > 0]
    return cost, tuple(sorted(parts, key=lambda part: -part.amount))


def _band(case: Case, arch: Architecture, device: Hardware) -> Band:
    if case.wide:
        return pool.shipped().band
    constants = step_time.constants(known_as(device), case.backend, arch.moe)
    return Band(
        low=min(1.0, 1 / constants.p90),
        high=max(1.0, 1 / constants.p10),
        points=constants.n,
        median_abs_error=constants.median_abs_error,
        basis=constants.basis,
    )


def _notes(
    case: Case,
    arch: Architecture,
    device: Hardware,
    formats: Precision,
    group: Group,
    serving: Serving,
    terms: money.Terms,
) -> list[str]:
    notes = []
    if terms.owned and not case.own:
        notes.append(f"no rent of {device.title} is known: counted as bought for ${terms.capex_usd:,.0f}")
    if serving.running < case.concurrency:
        notes.append(
            f"{serving.running:.0f} of {case.concurrency:g} requests fit into memory at a time; others wait"
        )
    if arch.context and case.input_tokens + case.output_tokens > arch.context:
        notes.append(f"{arch.name} is configured for {arch.context} tokens of context")
    if case.mtp and not arch.mtp_layers:
        notes.append(f"{arch.name} has no module that predicts tokens: a draft as small as one is assumed")
    if serving.prefill_devices:
        reading = (case.input_tokens - case.cached_tokens) / serving.prefill_tps
        writing = case.output_tokens / serving.decode_tps
        for what, busy in (
            ("prefill", reading / serving.prefill_device_s),
            ("decode", writing / serving.decode_device_s),
        ):
            if busy < BUSY:
                notes.append(f"the {what} devices work {busy:.0%} of the time, the others can't keep pace")
    if not device.tdp_w:
        notes.append(f"the watts of {device.title} are not known: those of a device of its kind are used")
    if group.tp > 1 and arch.mla and not case.wide:
        notes.append(f"each of the {group.tp} devices keeps the whole cache: one entry serves all heads")
    if device.tflops(formats.experts) <= device.bf16_tflops and formats.experts not in (
        "bf16",
        "fp16",
        "f16",
    ):
        notes.append(f"{device.title} multiplies {formats.experts} weights at its 16-bit rate")
    return notes
