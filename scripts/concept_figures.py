"""Draw the figures of the pages of concepts.

python -m scripts.concept_figures           # writes docs/images/concept-*.svg
python -m scripts.concept_figures --check   # exit code 1 if a picture is not what this script draws

The curves are drawn from formulas, not from results; each page says so.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

IMAGES = Path(__file__).parents[1] / "docs" / "images"
_WIDTH, _HEIGHT = 560, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 540, 20, 200
_STYLE = (
    "text{font:13px sans-serif;fill:#222}.line{fill:none;stroke:#0b62a8;stroke-width:2.5}"
    ".band{fill:#0b62a8;fill-opacity:.25}.limit{stroke:#b34700;stroke-width:2;stroke-dasharray:6 4}"
    ".axis{stroke:#555}.dot{fill:#0b62a8}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.line{stroke:#6cb6ff}.band{fill:#6cb6ff}"
    ".limit{stroke:#ff9d5c}.axis{stroke:#aaa}.dot{fill:#6cb6ff}}"
)


def main() -> None:
    """Write, or check, the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    is_check, stale = parser.parse_args().check, []
    for name, drawing in figures().items():
        path = IMAGES / f"concept-{name}.svg"
        if not path.exists() or path.read_text(encoding="utf-8") != drawing:
            stale.append(path.name)
            if not is_check:
                path.write_text(drawing, encoding="utf-8")
    if is_check and stale:
        sys.exit(f"{', '.join(stale)}: stale; run python -m scripts.concept_figures")


def figures() -> dict[str, str]:
    """Draw every figure.

    Returns:
        SVG, by name.
    """
    return {"margin": _margin(), "forecast": _forecast(), "non-inferiority": _intervals()}


def _margin() -> str:
    def loss(distance: float) -> float:
        return 0.12 * distance + 0.88 * distance**3

    tolerance = 0.4
    crossing = next(x / 1000 for x in range(1001) if loss(x / 1000) >= tolerance)
    body = [
        _curve(loss, "line"),
        _limit(tolerance, "tolerance"),
        f'<path class="axis" d="M{_x(crossing)} {_y(tolerance)}V{_BOTTOM}"/>',
        f'<circle class="dot" cx="{_x(crossing)}" cy="{_y(tolerance)}" r="5"/>',
        _text(_x(crossing) - 18, _BOTTOM + 18, "margin"),
    ]
    return _picture("A loss that grows with distance reaches its tolerance at the margin.",
                    "distance from the base, or steps", "loss", body)  # fmt: skip


def _forecast() -> str:
    probe, tolerance = 0.2, 0.7

    def measured(share: float) -> float:
        return 0.9 * share if share < probe else 0.9 * probe + 0.25 * (share - probe)

    def spread(share: float) -> float:
        return 0.0 if share < probe else 0.45 * ((share - probe) / (1 - probe)) ** 0.5

    upper = [(x / 100, measured(x / 100) + spread(x / 100)) for x in range(101)]
    lower = [(x / 100, measured(x / 100) - spread(x / 100)) for x in range(100, -1, -1)]
    body = [
        f'<path class="band" d="{_path([*upper, *lower])}Z"/>',
        _curve(measured, "line"),
        _limit(tolerance, "tolerance"),
        f'<path class="axis" d="M{_x(probe)} {_TOP}V{_BOTTOM}"/>',
        _text(_x(probe) + 6, _TOP + 12, "end of the probe"),
    ]
    return _picture("Up to the end of the probe the loss is measured; after it the band widens.",
                    "share of the summed learning rate", "loss", body)  # fmt: skip


def _intervals() -> str:
    margin = 0.55
    rows = [(0.05, 0.35, "retained"), (0.35, 0.75, "inconclusive"), (0.68, 0.95, "lost")]
    body = [f'<path class="limit" d="M{_x(margin)} {_TOP}V{_BOTTOM}"/>',
            _text(_x(margin) + 6, _TOP + 10, "margin")]  # fmt: skip
    for at, (low, high, name) in enumerate(rows):
        y = _TOP + 45 + 50 * at
        body += [
            f'<path class="line" d="M{_x(low)} {y}H{_x(high)}"/>',
            f'<circle class="dot" cx="{_x((low + high) / 2)}" cy="{y}" r="5"/>',
            _text(_x(low), y - 10, name),
        ]
    return _picture("Retained: the whole interval of the loss lies below the margin. Lost: above it.",
                    "loss", "", body)  # fmt: skip


def _picture(title: str, across: str, up: str, body: Iterable[str]) -> str:
    axes = f'<path class="axis" fill="none" d="M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}"/>'
    labels = _text(_RIGHT - 7 * len(across), _BOTTOM + 34, across) + _text(12, _TOP + 12, up)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'role="img">\n<title>{title}</title>\n<style>{_STYLE}</style>\n{axes}\n'
        + "\n".join(body)
        + f"\n{labels}\n</svg>\n"
    )


def _curve(of: Callable[[float], float], style: str) -> str:
    points = [(x / 100, of(x / 100)) for x in range(101)]
    return f'<path class="{style}" d="{_path(points)}"/>'


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_x(x)} {_y(y)}" for x, y in points)


def _limit(value: float, name: str) -> str:
    line = f'<path class="limit" d="M{_LEFT} {_y(value)}H{_RIGHT}"/>'
    return line + _text(_LEFT + 8, _y(value) - 6, name)


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:g}" y="{y:g}">{text}</text>'


def _x(share: float) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * share, 1)


def _y(value: float) -> float:
    return round(_BOTTOM - (_BOTTOM - _TOP) * max(0.0, min(1.0, value)), 1)


if __name__ == "__main__":
    main()
