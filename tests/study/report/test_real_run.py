"""A small study that is really simulated, from the engines to the page."""

from dataclasses import replace

import numpy as np
import pytest

from trad_array.study.records import MISMATCHES, Choice, Condition, DetectionPart
from trad_array.study.report.export import export_chama
from trad_array.study.report.run_folder import read_found
from trad_array.study.report.writing import write_report
from trad_array.study.running import run
from trad_array.study.tasks import ENGINES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(small_study, small_cache, tmp_path_factory):
    study = replace(
        small_study,
        choices=(*small_study.choices, Choice("three", (0, 1, 2))),
        conditions=(Condition(0.2, -30.0), Condition(0.2, -10.0), Condition(0.2, -10.0, mismatch=MISMATCHES["M1"])),
        each_dead=True,
        events=90,
        agreement_events=40,
        detection=DetectionPart(events=2, negatives=("door",), negative_events=1, duration_s=0.5),
    )
    folder = tmp_path_factory.mktemp("real")
    run(study, folder, cache=small_cache, workers=1, as_csv=True)
    return folder


def test_the_page_of_a_real_run_shows_what_was_simulated(folder):
    text = write_report(folder).read_text(encoding="utf-8")
    found = read_found(folder)
    # 90 vents, three conditions: with all and without each of 4, 4 and 3 microphones.
    simulated = {engine: sum(s.cells.total.n for s in found.scores if s.engine == engine) for engine in ENGINES}
    # The time engine runs at six of them too.
    assert simulated == {"spectral": 90 * 3 * (5 + 5 + 4), "time": 40 * 6}
    assert f"{90 * 3 * 14 + 40 * 6:,} simulated vents" in text
    names = {path.name for path in (folder / "report").glob("*.png")}
    assert names >= {
        "curve.png",
        "right-1.png",
        "microphones.png",
        "losses.png",
        "sheet.png",
        "detection.png",
        "agreement.png",
    }
    # Loud vents are named more often than faint ones.
    p = {score.at.snr_db: score.cells.total.p for score in found.whole if score.at.mismatch == "none"}
    assert p[-10.0] > p[-30.0]


def test_its_microphones_are_exported(folder):
    lines = export_chama(folder).read_text(encoding="utf-8").splitlines()
    # Three cells, three conditions; six points are used.
    assert len(lines) == 1 + 3 * 3 * 6


def test_a_full_disk_leaves_the_old_page(folder, files_up_to):
    page = write_report(folder)
    before = page.read_bytes()
    with files_up_to(20_000), pytest.raises(OSError, match="File too large"):
        write_report(folder)
    assert page.read_bytes() == before
    assert not list((folder / "report").glob("*.part"))


def test_rows_of_agreement_set_the_engines_against_each_other(folder):
    found = read_found(folder)
    once = {name: np.concatenate([column, column, column]) for name, column in found.table.items()}
    n = len(found.table["n"])
    chosen = np.isin(np.arange(3 * n) % n, np.flatnonzero(found.table["measure"] == "localization"))
    measure = np.where((np.arange(3 * n) >= n) & chosen, "agreement", once["measure"])
    engine = np.where((np.arange(3 * n) >= 2 * n) & chosen, "time", once["engine"])
    both = replace(found, table=once | {"measure": measure, "engine": engine})
    assert {score.engine for score in both.compared} == {"time", "spectral"}
    assert len(both.scores) == len(found.scores)
