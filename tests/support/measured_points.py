"""Files of measured points, made from constants that are known."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

COLUMNS = ("model_path", "system", "backend", "precision", "isl", "osl", "conc", "tp_size", "moe_ep_size")
COLUMNS += ("silicon_ttft_ms", "silicon_tpot_ms")

ROW = dict(
    zip(
        COLUMNS,
        ["openai/gpt-oss-120b", "h200_sxm", "vllm", "fp4", "1024", "1024", "16", "2", "1", "100", "8"],
        strict=True,
    )
)

SETTINGS = [
    ("meta-llama/Llama-3.1-70B", "h200_sxm", "vllm", "fp8"),
    ("meta-llama/Llama-3.1-70B", "b200_sxm", "vllm", "fp8"),
    ("MiniMaxAI/MiniMax-M2.5", "h200_sxm", "vllm", "fp8"),
    ("openai/gpt-oss-120b", "b200_sxm", "trtllm", "fp4"),
    ("MiniMaxAI/MiniMax-M2.5", "b200_sxm", "trtllm", "fp8"),
]


def write(path: Path, rows: Iterable[dict[str, str]], columns: Sequence[str] = COLUMNS) -> Path:
    """A CSV file of ``rows``."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def rows() -> list[dict[str, str]]:
    """Settings without sensible times: five groups, several loads."""
    return [
        ROW | dict(zip(COLUMNS, setting, strict=False)) | {"conc": str(conc), "tp_size": str(tp), "isl": isl}
        for setting in SETTINGS
        for conc in (4, 16, 64)
        for tp in (4, 8)
        for isl in ("1024", "8192")
    ]
