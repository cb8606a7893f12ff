"""From a run folder to its report: the page with all pictures in it, and the pictures as files beside it."""

import hashlib
import io
from collections.abc import Callable, Iterable
from pathlib import Path

from trad_array.alarm.disk import write_file
from trad_array.study.report.page import page
from trad_array.study.report.picture import LeftOut, Picture
from trad_array.study.report.pictures import pictures
from trad_array.study.report.run_folder import read_found

REPORT, PAGE = "report", "index.html"
# Sharp on paper at the width of a page, and on a screen.
_DPI = 110
# A picture with its PNG, or why there is none.
Drawn = tuple[Picture, bytes] | LeftOut


def write_report(folder: Path) -> Path:
    """Draw everything that a run found; returns the page.

    Parameters
    ----------
    folder : run folder of `trad-array study run`

    Raises
    ------
    StoreError
        If it is no run folder, or has no results yet.
    ConfigError
        If what is in it cannot be read.
    OSError
        If the disk refuses something; a page that was there before stays.
    """
    found = read_found(folder)
    return write_page(folder, pictures(found), lambda drawn: page(found, drawn, digests_of(folder)))


def write_page(folder: Path, shown: Iterable[Picture | LeftOut], text_of: Callable[[list[Drawn]], str]) -> Path:
    """Draw pictures into `folder`/report, and the page around them; returns the page.

    text_of : the page, from the pictures and their PNG
    """
    target = folder / REPORT
    target.mkdir(parents=True, exist_ok=True)
    before = {path.name for path in target.glob("*.png")}
    drawn: list[Drawn] = []
    for picture in shown:
        if isinstance(picture, LeftOut):
            drawn.append(picture)
            continue
        png = as_png(picture)
        write_file(target / picture.file, png)
        drawn.append((picture, png))
    write_file(target / PAGE, text_of(drawn).encode())
    # Pictures of an earlier report would speak of another study.
    for name in before - {one[0].file for one in drawn if not isinstance(one, LeftOut)}:
        (target / name).unlink(missing_ok=True)
    return target / PAGE


def as_png(picture: Picture) -> bytes:
    """A picture as the content of a PNG file; the same picture gives the same bytes."""
    from matplotlib.text import Text

    figure, out = picture.draw(), io.BytesIO()
    # A dollar in the name of a layout or a microphone is a dollar.
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": None})
    return out.getvalue()


def digests_of(folder: Path) -> dict[str, str]:
    """SHA-256 of what the report was made from."""
    names = ("study.json", "results.parquet", "results.csv")
    return {name: _sha256(folder / name) for name in names if (folder / name).is_file()}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
