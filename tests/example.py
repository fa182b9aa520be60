"""`python -m tests.example`: the example of a report anew, from a run's folder, with its pictures.

Pictures at three widths, as reports/README.md shows them: look at them before you commit.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from tests import browsing

EXAMPLE = Path(__file__).parent.parent / "reports" / "example"

SIZES = {1280: 900, 890: 900, 375: 800}
"""Of a window, in pixels: the width, and how much of the page is shown."""


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(run: Path) -> None:
    """Take report.html from the folder RUN, which a whole run, or `rnn-parity report`, wrote."""
    report = EXAMPLE / "report.html"
    EXAMPLE.mkdir(exist_ok=True)
    shutil.copyfile(run / "report.html", report)
    with browsing.chromium() as browser:
        for width, height in SIZES.items():
            window = {"width": width, "height": height}
            with browsing.visiting(browser, viewport=window, color_scheme="light") as visit:
                picture = EXAMPLE / f"report-{width}.png"
                visit.open(report).screenshot(path=picture)
                click.echo(f"wrote {picture}")


if __name__ == "__main__":
    main()
