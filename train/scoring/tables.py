"""Tables of numbers: for the terminal and for a README."""
from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

import numpy as np

GAP = "  "


class Column(NamedTuple):
    over: str  # what neighbours have in common, said once over them; may be empty
    name: str
    decimals: int


@dataclass(frozen=True)
class Table:
    """Rows of numbers by name; NaN stands for what was not measured."""
    title: str
    rows: dict[str, dict[Column, float]]
    note: str = ""

    def under(self, *overs: str) -> Table:
        """The same table with only the columns under these."""
        return replace(self, rows={name: {column: value for column, value in row.items() if column.over in overs}
                                   for name, row in self.rows.items()})

    @property
    def columns(self) -> list[Column]:
        """Those with a number in any row, in the order in which rows bring them."""
        seen = dict.fromkeys(column for row in self.rows.values() for column in row)
        return [column for column in seen if any(np.isfinite(row.get(column, np.nan)) for row in self.rows.values())]

    def text(self) -> str:
        """Aligned columns under a head of one or two lines."""
        columns, cells = self.columns, self._cells()
        first = max(map(len, cells))
        widths = [max(map(len, (column.name, *words))) for column, *words in zip(columns, *cells.values(), strict=True)]
        spans = [list(span) for _, span in groupby(range(len(columns)), lambda k: columns[k].over)]
        for span in spans:  # the last of the columns makes room for what is said over them all
            widths[span[-1]] += max(0, len(columns[span[0]].over) - sum(widths[k] + len(GAP) for k in span) + len(GAP))
        rooms = [sum(widths[k] + len(GAP) for k in span) - len(GAP) for span in spans]
        over = [GAP + columns[span[0]].over.center(room) for span, room in zip(spans, rooms, strict=True)]
        lines = [self.title + self.note]
        if any(column.over for column in columns):
            lines.append((" " * first + "".join(over)).rstrip())
        for name, words in (("", [column.name for column in columns]), *cells.items()):
            lines.append(name.ljust(first) + "".join(GAP + word.rjust(width)
                                                     for word, width in zip(words, widths, strict=True)))
        return "\n".join(lines)

    def markdown(self) -> str:
        heads = [": ".join(filter(None, (column.over, column.name))) for column in self.columns]
        rows = [("", heads), ("---", ["---:"] * len(heads)), *self._cells().items()]
        lines = [f"| {' | '.join((name, *words))} |" for name, words in rows]
        return "\n".join([f"{self.title}{self.note}:", "", *lines])

    def plain(self) -> dict[str, dict[str, float | None]]:
        """The rows with JSON's values: a column is called "over: name", NaN is None."""
        return {name: {": ".join(filter(None, column[:2])): float(value) if np.isfinite(value) else None
                       for column, value in row.items()} for name, row in self.rows.items()}

    def _cells(self) -> dict[str, list[str]]:
        return {name: [_written(row.get(column, np.nan), column.decimals) for column in self.columns]
                for name, row in self.rows.items()}


def _written(value: float, decimals: int) -> str:
    """Shares of one go without their nought, what was not measured is left empty."""
    return "" if not np.isfinite(value) else f"{value:.{decimals}f}".removeprefix("0" if decimals == 3 else "-")
