"""Write every kind of report, look at it in Chromium, and check it with axe-core.

apt-get install chromium nodejs npm; npm install axe-core    # outside of the repository
python -m scripts.look_at_reports --axe node_modules/axe-core/axe.min.js --out build/reports

Writes each page, screenshots at 1280 and 400 pixels in light and dark, a print, and findings.json. Exit code 1
if axe-core finds anything serious, a page asks for something outside of its file, or one is wider than the screen.
No test calls it, because it needs a browser.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.report.pages.test_every_page import PAGES
from tests.report.sample import SCRIPT

_SERIOUS = ("serious", "critical")


def main() -> None:
    """Write the pages, look at them, and print what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--axe", type=Path, required=True, help="axe.min.js of npm's axe-core.")
    parser.add_argument("--out", type=Path, default=Path("build/reports"))
    parser.add_argument("--hostile", action="store_true", help="Also with hostile names.")
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help=f"{', '.join(PAGES)}; default: all."
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    pages = []
    for name in options.kinds or PAGES:
        # The samples of the tests are not typed.
        kind: Any = PAGES[name]
        render, build = kind
        for suffix, document in (("", build()), ("-hostile", build(SCRIPT))):
            pages.append(f"{name}{suffix}.html")
            (options.out / pages[-1]).write_text(render(document), encoding="utf-8")
            if not options.hostile:
                break
    program = Path(__file__).with_suffix(".mjs")
    subprocess.run(["node", str(program), str(options.out), str(options.axe), *pages], check=True)
    findings = json.loads((options.out / "findings.json").read_text(encoding="utf-8"))
    sys.exit(1 if _told(findings) else None)


def _told(findings: dict[str, dict[str, list[dict[str, str]]]]) -> bool:
    """Print the findings, and return True if one is serious."""
    is_bad = False
    for name, found in findings.items():
        for each in found["violations"]:
            is_bad |= each["impact"] in _SERIOUS
            print(f"{name} {each['width']} {each['scheme']}: {each['impact']}: {each['help']}")
        for request in found["requests"]:
            print(f"{name}: asks for {request}")
        if found["overflow"]:
            print(f"{name}: {found['overflow']} pixels wider than the screen")
        is_bad |= bool(found["requests"] or found["overflow"])
    print(f"{len(findings)} pages; {'something is serious' if is_bad else 'nothing is serious'}")
    return is_bad


if __name__ == "__main__":
    main()
