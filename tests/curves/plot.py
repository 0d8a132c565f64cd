"""A plot of curves as SVG: small panels in rows, every point with its value. Draws, knows nothing.

Written by hand because that is less than a library would ask: lines, dots and words.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 330, 210  # of one panel
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 40, 30  # around what is drawn
COLOURS = ("#0b5fa5", "#c2410c", "#15803d")
STYLE = "text{font:11px sans-serif;fill:#333}.title{font-weight:bold}"


class Panel(NamedTuple):
    """One picture: a value for each x on each line; None where nothing was measured."""

    title: str
    x_name: str
    xs: Sequence[str]
    lines: Mapping[str, Sequence[float | None]]


def draw(rows: Sequence[Sequence[Panel]], heading: str) -> str:
    """Return an SVG of rows of panels under a heading."""
    width = WIDTH * max((len(row) for row in rows), default=1)
    height = HEIGHT * len(rows) + 24
    parts = [f'<text x="10" y="16" class="title">{escape(heading)}</text>']
    for down, row in enumerate(rows):
        for across, panel in enumerate(row):
            place = f"translate({across * WIDTH} {24 + down * HEIGHT})"
            parts.append(f'<g transform="{place}">{"".join(_draw(panel))}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )


def _draw(panel: Panel) -> list[str]:
    top = max((v for line in panel.lines.values() for v in line if v is not None), default=0) or 1
    floor, across = HEIGHT - BOTTOM, WIDTH - LEFT - RIGHT
    step = across / max(1, len(panel.xs))
    middles = [LEFT + step * (i + 0.5) for i in range(len(panel.xs))]

    def y_of(value: float) -> float:
        return floor - (floor - TOP) * value / (top * 1.1)

    parts = [f'<text x="{LEFT}" y="14" class="title">{escape(panel.title)}</text>']
    for share in (0.0, 0.5, 1.0):
        y = y_of(top * share)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{LEFT + across}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 4, y + 4, _short(top * share), "end"))
    for x, name in zip(middles, panel.xs, strict=True):
        parts.append(_text(x, floor + 13, name, "middle"))
    parts.append(_text(LEFT + across / 2, floor + 26, panel.x_name, "middle"))
    key = float(LEFT)
    for (name, values), colour in zip(panel.lines.items(), COLOURS, strict=False):
        known = [(x, y_of(v), v) for x, v in zip(middles, values, strict=True) if v is not None]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in known)
        if path:
            parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y, value in known:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
            parts.append(_text(x, y - 6, _short(value), "middle"))
        if len(panel.lines) > 1:
            parts.append(f'<circle cx="{key + 4:.1f}" cy="24" r="4" fill="{colour}"/>')
            parts.append(_text(key + 12, 28, name, "start"))
            key += 24 + 7 * len(name)
    return parts


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _short(value: float) -> str:
    """Return a figure with three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
