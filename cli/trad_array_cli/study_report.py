"""`trad-array study report`: what a run found, as one page with pictures."""

from pathlib import Path

import click

from trad_array_cli.options import json_option
from trad_array_cli.report import emit, say


@click.command(name="report", no_args_is_help=True)
@click.argument("folder", type=click.Path(path_type=Path))
@json_option("one object: the page, its pictures, the answer")
def command(folder: Path, as_json: bool) -> None:
    """Draw what a run found: FOLDER/report/index.html, which opens offline, and its pictures as PNG.

    The page begins with the answer: which layout names the right cell most often, by how much, and what fails first.
    All of it is simulated. `trad-array study run` writes it too; this draws it again.
    """
    from trad_array.study.report.answer import answer
    from trad_array.study.report.run_folder import read_found
    from trad_array.study.report.writing import write_report

    page = write_report(folder)
    sentences = answer(read_found(folder))
    if as_json:
        files = sorted(str(path) for path in page.parent.glob("*.png"))
        emit({"schema": "trad-array/study-report/1", "page": str(page), "pictures": files, "answer": sentences})
        return
    for sentence in sentences:
        click.echo(sentence)
    say(f"wrote {page}")
