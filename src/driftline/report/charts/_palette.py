"""The colours of charts, by day and in the dark."""

BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#008A64"
ORANGE, PURPLE, SKY = "#A87300", "#B5508C", "#2F8FCC"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
INK, GREY, GRID, PAPER = "#1F2933", "#6B7280", "#E5E7EB", "#FFFFFF"
AXIS = "#868E99"
PALETTE = {
    "blue": (BLUE, "#5AB4F0"),
    "vermilion": (VERMILION, "#FF8A45"),
    "green": (GREEN, "#2CC295"),
    "purple": (PURPLE, "#E29AC4"),
    "orange": (ORANGE, "#F0B73A"),
    "sky": (SKY, "#9AD6F7"),
    "ink": (INK, "#E6E9EC"),
    "grey": (GREY, "#A3ADB8"),
    "grid": (GRID, "#333B45"),
    "axis": (AXIS, "#7A8490"),
    "paper": (PAPER, "#14181D"),
}
"""Every colour of a chart, by day and in the dark. Hues are those of Okabe and Ito, which the common colour
deficiencies leave apart; each but grid and paper has a contrast of 3:1 with its background."""
NAMES = {light: name for name, (light, _) in PALETTE.items()}


def palette_css() -> str:
    """Write the rules that give every colour of a chart its two values."""
    by_day = "".join(f"--{name}: {light}; " for name, (light, _) in PALETTE.items())
    by_night = "".join(f"--{name}: {dark}; " for name, (_, dark) in PALETTE.items())
    rules = "".join(
        f'.chart [{kind}="{light}" i] {{ {kind}: var(--{name}); }}\n'
        for name, (light, _) in PALETTE.items()
        for kind in ("fill", "stroke")
    )
    marks = "".join(f".mark.{name} {{ color: var(--{name}); }}\n" for name in PALETTE)
    return (
        f":root {{ {by_day}}}\n@media (prefers-color-scheme: dark) {{ :root {{ {by_night}}} }}\n"
        f"@media print {{ :root {{ {by_day}}} }}\n{rules}{marks}"
    )
