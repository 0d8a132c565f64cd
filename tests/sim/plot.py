"""A line plot as SVG, made of nothing but text: the same data give the same file."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 400, 70, 40, 190, 50  # the frame in px
COLOURS = ("#1b6ca8", "#7fb3d5", "#b03a2e", "#e6a29b", "#1e8449", "#a9dfbf")
TICKS = (1, 2, 5)


def plot(
    lines: Mapping[str, Sequence[tuple[float, float]]], x_text: str, y_text: str, title: str
) -> str:
    """Return an SVG of named lines; both axes are logarithmic, so all values are above zero."""
    points = [point for line in lines.values() for point in line]
    if not points:
        points = [(1.0, 1.0)]
    xs, ys = _span([x for x, _ in points]), _span([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            round(LEFT + (WIDTH - LEFT - RIGHT) * _share(x, xs), 1),
            round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * _share(y, ys), 1),
        )

    found = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, TOP - 16, title, size=14),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_text, anchor="middle"),
        _text(8, TOP - 16, y_text),
    ]
    for x in _ticks(xs):
        at, _ = place(x, ys[0])
        found.append(_line(at, TOP, at, HEIGHT - BOTTOM))
        found.append(_text(at, HEIGHT - BOTTOM + 16, f"{x:g}", anchor="middle"))
    for y in _ticks(ys):
        _, at = place(xs[0], y)
        found.append(_line(LEFT, at, WIDTH - RIGHT, at))
        found.append(_text(LEFT - 6, at + 4, f"{y:g}", anchor="end"))
    for line, colour in zip(lines.values(), COLOURS, strict=False):
        placed = [place(x, y) for x, y in line]
        path = " ".join(f"{x},{y}" for x, y in placed)
        found.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        found += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in placed]
    for row, (name, colour) in enumerate(zip(lines, COLOURS, strict=False)):
        at = TOP + 18 * row
        key = WIDTH - RIGHT + 12
        found.append(f'<rect x="{key}" y="{at}" width="12" height="12" fill="{colour}"/>')
        found.append(_text(key + 18, at + 10, name))
    return "\n".join([*found, "</svg>"]) + "\n"


def _span(values: Sequence[float]) -> tuple[float, float]:
    """Return the ticks around all values."""
    least, most = min(values), max(values)
    steps = [tick * 10.0**power for power in range(-3, 9) for tick in TICKS]
    low = max(step for step in steps if step <= least)
    return low, min(step for step in steps if step >= most and step > low)


def _ticks(span: tuple[float, float]) -> list[float]:
    low, high = span
    steps = [tick * 10.0**power for power in range(-3, 9) for tick in TICKS]
    return [step for step in steps if low <= step <= high]


def _share(value: float, span: tuple[float, float]) -> float:
    low, high = span
    return (log10(value) - log10(low)) / (log10(high) - log10(low))


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#dddddd"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    font = f'font-size="{size}" font-family="sans-serif"'
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" {font}>{text}</text>'
