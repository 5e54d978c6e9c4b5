"""What was learnt of each model at each type of work, as a table."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tokenworks.ledger.decided import LearntRow
from tokenworks.schema import NANO_USD


class LearntCell(msgspec.Struct):
    """One model at one type of work, all days together."""

    task: str
    model: str
    calls: int = 0
    weight: float = 0.0  # of all that is known of right and wrong, in answers that are sure
    right: float = 0.0  # part of it
    cost_nano_usd: int = 0

    @property
    def right_share(self) -> float | None:
        """Of the answers that were judged; None where none was."""
        return min(max(self.right / self.weight, 0.0), 1.0) if self.weight > 0 else None

    @property
    def call_usd(self) -> float | None:
        """Mean cost of a call; None without one."""
        return self.cost_nano_usd / self.calls / NANO_USD if self.calls else None


def table(rows: Iterable[LearntRow], most: int) -> tuple[list[LearntCell], int]:
    """Up to ``most`` cells by task, in each the most used models first; and how many are left out."""
    cells: dict[tuple[str, str], LearntCell] = {}
    for row in rows:
        cell = cells.setdefault((row.task, row.model), LearntCell(row.task, row.model))
        cell.calls += row.calls
        cell.weight += row.weight
        cell.right += row.right
        cell.cost_nano_usd += row.cost_nano_usd
    used = sorted(cells.values(), key=lambda cell: (-cell.calls, -cell.weight, cell.task, cell.model))
    shown = sorted(used[:most], key=lambda cell: (cell.task, -cell.calls, -cell.weight, cell.model))
    return shown, len(used) - len(shown)
