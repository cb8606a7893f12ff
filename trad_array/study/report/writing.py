"""From a run folder to its report: the page with all pictures in it, and the pictures as files beside it."""

import hashlib
import io
from pathlib import Path

from trad_array.alarm.disk import write_file
from trad_array.study.report.page import page
from trad_array.study.report.picture import LeftOut, Picture
from trad_array.study.report.pictures import pictures
from trad_array.study.report.run_folder import read_found

REPORT, PAGE = "report", "index.html"
# Sharp on paper at the width of a page, and on a screen.
_DPI = 110


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
    target = folder / REPORT
    target.mkdir(parents=True, exist_ok=True)
    before = {path.name for path in target.glob("*.png")}
    drawn: list[tuple[Picture, bytes] | LeftOut] = []
    for picture in pictures(found):
        if isinstance(picture, LeftOut):
            drawn.append(picture)
            continue
        png = as_png(picture)
        write_file(target / picture.file, png)
        drawn.append((picture, png))
    write_file(target / PAGE, page(found, drawn, digests_of(folder)).encode())
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
