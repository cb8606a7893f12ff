"""The study file: what it becomes, and one line for everything that cannot be used."""

from pathlib import Path

import numpy as np
import pytest

from trad_array.errors import ConfigError, LayoutError
from trad_array.study.records import FANS, MISMATCHES, Condition
from trad_array.study.study_file import read_study, read_study_file
from trad_array_geometry import load_layout
from trad_array_geometry.layout import layout_path

HEAD = 'schema = 1\n[site]\nlayout = "pack-corners"\n'
LAYOUTS = '[candidates]\nlayouts = ["pack-corners"]\n'
POSITIONS = "".join(
    f'[[candidates.positions]]\nname = "{name}"\nposition_m = [{x}, {y}, 2.0]\n'
    for name, x, y in (("N1", 2.0, 2.0), ("N2", 4.0, 2.0), ("S1", 2.0, 0.4), ("S2", 4.0, 0.4))
)


@pytest.fixture
def study_at(tmp_path):
    def write(text):
        path = tmp_path / "study.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def trouble_of(study_at, monkeypatch):
    """The message about a study file, which stands in the working folder."""

    def found(text, error=ConfigError):
        monkeypatch.chdir(study_at(text).parent)
        with pytest.raises(error) as caught:
            read_study(Path("study.toml"))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return found


def test_a_short_file_is_a_whole_study(study_at):
    study = read_study(study_at(HEAD + LAYOUTS))
    assert (study.name, study.seed, study.engine) == ("study", 1, "spectral")
    assert study.site.layout.id == "pack-corners"
    assert np.array_equal(study.site.cells, np.arange(52))
    assert [choice.name for choice in study.choices] == ["pack-corners"]
    layout = load_layout("pack-corners")
    assert np.allclose(study.points.positions_m, layout.mics)
    assert np.allclose(study.points.sigma_m, layout.mic_sigma_m)
    assert np.allclose(study.points.delay_sigma_s, layout.mic_delay_sigma_s)
    assert study.conditions == (Condition(0.4, -12.0),)
    assert not study.each_dead


def test_conditions_are_the_grid_of_all_lists(study_at):
    text = """
[conditions]
rt60_s = [0.3, 0.5]
snr_db = [-20, -12.5]
duration_s = [0.1, 0.5]
mismatch = ["none", "M1", "hot"]
fans = ["normal", "slow"]
dead = "each"
[mismatch.hot]
temperature_k = 20
[fans.slow]
speed = 0.5
level_db = -6
"""
    study = read_study(study_at(HEAD + LAYOUTS + text))
    assert len(study.conditions) == len(set(study.conditions)) == 2 * 2 * 2 * 3 * 2
    assert study.each_dead
    assert {c.rt60_s for c in study.conditions} == {0.3, 0.5}
    assert {c.snr_db for c in study.conditions} == {-20.0, -12.5}
    by_name = {c.mismatch.name: c.mismatch for c in study.conditions}
    assert by_name["M1"] == MISMATCHES["M1"]
    assert (by_name["hot"].temperature_k, by_name["hot"].mic_m) == (20.0, 0.0)
    fans = {c.fan.name: c.fan for c in study.conditions}
    assert fans["normal"] == FANS["normal"]
    assert (fans["slow"].speed, fans["slow"].level_db) == (0.5, -6.0)


def test_run_and_detection(study_at):
    text = """
[run]
engine = "time"
events = 500
shard_events = 250
agreement_events = 0
[detection]
events = 5
negatives = ["door", "rain"]
negative_events = 6
duration_s = 1.5
"""
    study = read_study(study_at("name = 'mine'\nseed = 9\n" + HEAD + LAYOUTS + text))
    assert (study.name, study.seed) == ("mine", 9)
    assert (study.engine, study.events, study.shard_events, study.agreement_events) == ("time", 500, 250, 0)
    part = study.detection
    assert (part.events, part.negatives, part.negative_events, part.duration_s) == (5, ("door", "rain"), 6, 1.5)


def test_cells_can_be_named_or_counted(study_at):
    named = read_study(study_at(HEAD + 'cells = ["R2C01", "R1C02"]\n' + LAYOUTS))
    assert [named.site.layout.cell_names[k] for k in named.site.cells] == ["R1C02", "R2C01"]
    counted = read_study(study_at(HEAD + "cells = { every = 10 }\n" + LAYOUTS))
    assert np.array_equal(counted.site.cells, [0, 10, 20, 30, 40, 50])


def test_every_combination_of_positions_is_a_layout_beside_the_sites_own(study_at):
    study = read_study(study_at(HEAD + "[candidates]\nmics = 3\nposition_sigma_m = 0.01\n" + POSITIONS))
    assert [choice.name for choice in study.choices] == [
        "pack-corners",
        "N1 + N2 + S1",
        "N1 + N2 + S2",
        "N1 + S1 + S2",
        "N2 + S1 + S2",
    ]
    assert all(choice.points == tuple(sorted(choice.points)) for choice in study.choices)
    assert study.points.sigma_m[study.choices[1].points[0]] == 0.01
    assert study.points.zones[study.choices[1].points[0]] == "positions"


def test_the_reference_comes_first_and_shared_places_are_one_point(study_at, tmp_path):
    text = layout_path("pack-corners").read_text().replace('id = "pack-corners"', 'id = "high"')
    (tmp_path / "high.toml").write_text(text.replace("[2.500, 1.600, 1.627]", "[2.500, 1.600, 2.000]"))
    study = read_study(study_at(HEAD + '[candidates]\nlayouts = ["pack-corners", "high.toml"]\nreference = "high"\n'))
    assert [choice.name for choice in study.choices] == ["high", "pack-corners"]
    assert len(study.points) == 5
    assert len(set(study.choices[0].points) & set(study.choices[1].points)) == 3


def test_a_wall_is_a_grid_without_thickness(study_at):
    zone = '[[candidates.zones]]\nname = "wall"\nmin_m = [1, 0.0, 1]\nmax_m = [5.1, 0.0, 2]\nstep_m = 1.0\n'
    found = read_study_file(study_at(HEAD + "[candidates]\nmics = 4\n" + zone), combine=False)
    places = found.study.points.positions_m[list(found.candidates.free)]
    assert len(places) == 10
    assert (places[:, 1] == 0).all()
    assert np.allclose(np.unique(places[:, 0]), [1.05, 2.05, 3.05, 4.05, 5.05])
    assert np.allclose(np.unique(places[:, 2]), [1, 2])
    assert found.candidates.n_combinations == 210
    assert [choice.name for choice in found.study.choices] == ["pack-corners"]
    assert found.study.points.names[found.candidates.free[0]] == "wall 01"


def test_a_zone_leaves_out_what_is_inside_a_box(study_at):
    boxes = '[[site.boxes]]\nname = "rack"\nmin_m = [0.5, -1, 0]\nmax_m = [1.5, 1, 3]\n'
    zone = '[[candidates.zones]]\nname = "wall"\nmin_m = [1, 0.0, 1]\nmax_m = [4, 0.0, 2]\nstep_m = 1.0\n'
    found = read_study_file(study_at(HEAD + boxes + "[candidates]\nmics = 4\n" + zone), combine=False)
    places = found.study.points.positions_m[list(found.candidates.free)]
    assert len(places) == 6
    assert places[:, 0].min() == 2.0


def test_sets_put_named_positions_together(study_at):
    sets = '[[candidates.sets]]\nname = "mixed"\nmics = ["N1", "S2", "pack-corners A"]\n'
    study = read_study(study_at(HEAD + LAYOUTS + POSITIONS + sets))
    assert [choice.name for choice in study.choices] == ["pack-corners", "mixed"]
    assert {study.points.names[k] for k in study.choices[1].points} == {"N1", "S2", "pack-corners A"}


def test_the_example_compares_four_ways_to_hear_one_pack():
    study = read_study(Path(__file__).parents[2] / "examples" / "pack.toml")
    assert [choice.name for choice in study.choices] == ["pack-corners", "two posts", "ceiling", "walls"]
    assert all(len(choice.points) == 4 for choice in study.choices)
    assert len(study.conditions) == 12


def test_the_example_of_the_guide_can_be_read(study_at):
    page = (Path(__file__).parents[2] / "docs" / "study-files.md").read_text()
    study = read_study(study_at(page.partition("```toml\n")[2].partition("```")[0]))
    assert len(study.choices) == 1 + 15
    assert len(study.conditions) == 2 * 2 * 3 * 2


BOX = '[[site.boxes]]\nname = "rack"\nmin_m = [{0}, 0.5, 0]\nmax_m = [{1}, 1.5, 2.5]\n'
ONE = '[[candidates.positions]]\nname = "{0}"\nposition_m = {1}\n'
ZONE = '[[candidates.zones]]\nname = "wall"\nmin_m = {0}\nmax_m = {1}\nstep_m = {2}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema = 2\n", "study.toml: schema: expected 1, found 2"),
        (HEAD + LAYOUTS + "[conditons]\n", "study.toml: conditons: unknown key, did you mean conditions?"),
        (HEAD + LAYOUTS + "[conditions]\nrt60 = [0.3]\n", "study.toml: conditions.rt60: missing unit, expected rt60_s"),
        (HEAD + LAYOUTS + "[conditions]\nsnr_bd = [0.3]\n", "conditions.snr_bd: unknown key, did you mean snr_db?"),
        (HEAD + "cell = 'all'\n" + LAYOUTS, "study.toml: site.cell: unknown key, did you mean cells?"),
        (HEAD + LAYOUTS + "[run]\nevent = 3\n", "study.toml: run.event: unknown key, did you mean events?"),
        (HEAD + BOX.format(1, 2) + "loss = 3\n" + LAYOUTS, "site.boxes[1].loss: missing unit, expected loss_db"),
        (HEAD, "study.toml: candidates: missing, expected layouts or positions to choose from"),
        (HEAD + "[candidates]\n", "study.toml: candidates: expected layouts, [[candidates.positions]] or"),
        (
            HEAD + '[candidates]\nlayouts = ["pack"]\n',
            "study.toml: candidates.layouts: expected a layout file or one of container, pack-corners, row-corners, "
            'row-frame, found "pack"',
        ),
        (
            HEAD + '[candidates]\nlayouts = ["pack-corners", "pack-corners"]\n',
            "study.toml: candidates.layouts: expected each layout once",
        ),
        (
            HEAD + '[candidates]\nlayouts = ["pack-corners"]\nreference = "row-frame"\n',
            'study.toml: candidates.reference: expected one of pack-corners, found "row-frame"',
        ),
        (
            HEAD + '[candidates]\nlayouts = ["container"]\n',
            'study.toml: candidates.layouts: expected 2 to 16 microphones, found 48 in "container"',
        ),
        (
            HEAD + '[candidates]\nlayouts = ["row-frame"]\n',
            "study.toml: candidates.layouts: expected it inside the room [0.0, 0.0, 0.0] to [6.06, 2.44, 2.9], found "
            "microphone row-frame C at [4.18, 2.79, 1.257]",
        ),
        (
            HEAD + BOX.format(2.4, 2.6) + LAYOUTS,
            'study.toml: candidates.layouts: expected microphones outside of boxes, found "pack-corners A" at '
            '[2.5, 0.84, 1.227] inside "rack"',
        ),
        (
            HEAD + BOX.format(0.5, 1.5) + "[candidates]\nmics = 2\n" + POSITIONS + ONE.format("X", "[1.0, 1.0, 1.0]"),
            'study.toml: candidates.positions[5].position_m: expected microphones outside of boxes, found "X" at '
            '[1.0, 1.0, 1.0] inside "rack"',
        ),
        (
            HEAD + "[candidates]\nmics = 2\n" + POSITIONS + ONE.format("X", "[7.0, 1.0, 1.0]"),
            "study.toml: candidates.positions[5].position_m: expected it inside the room",
        ),
        (
            HEAD + "[candidates]\nmics = 2\n" + POSITIONS + ONE.format("X", "[2.0, 2.0, 2.0005]"),
            'study.toml: candidates.positions[5].position_m: expected microphones apart, found "N1" at the same place',
        ),
        (
            HEAD + "[candidates]\nmics = 2\n" + POSITIONS + ONE.format("N1", "[2.0, 2.0, 2.1]"),
            'study.toml: candidates.positions[5].name: expected a different one for each, found "N1" twice',
        ),
        (
            HEAD + "[candidates]\nmics = 2\n" + POSITIONS + ONE.format("A;B", "[2.0, 2.0, 2.1]"),
            'study.toml: candidates: expected names without semicolons, found "A;B"',
        ),
        (
            HEAD + "[candidates]\nmics = 2\n" + POSITIONS + ONE.format("X", "[2.562, 0.953, 1.262]"),
            "study.toml: candidates: microphone X: expected at least 20 mm from everything that sounds, found "
            "R1C01 + 0.05 m at 5.0 mm",
        ),
        (HEAD + "[candidates]\n" + POSITIONS, "study.toml: candidates.mics: missing, expected a whole number"),
        (HEAD + "[candidates]\nmics = 17\n" + POSITIONS, "study.toml: candidates.mics: expected 2 to 16, found 17"),
        (HEAD + "[candidates]\nmics = 5\n" + POSITIONS, "candidates.mics: expected at most as many as there are"),
        (
            'schema = 1\n[site]\nlayout = "container"\n[candidates]\nmics = 4\n' + POSITIONS,
            'found 48 in "container"; where no layout is named, the site\'s own is the reference',
        ),
        (HEAD + LAYOUTS + "mics = 4\n", "study.toml: candidates.mics: expected [[candidates.positions]] or"),
        (
            HEAD + "[candidates]\nmics = 4\n" + ZONE.format([1, 0, 1], [5, 0, 2], 0.5),
            "study.toml: candidates.mics: expected at most 500 layouts of 4 from 27 positions, found 17550: "
            "`trad-array study rank` finds the best of so many",
        ),
        (
            HEAD + "[candidates]\nmics = 4\n" + ZONE.format([1, 0, 1], [5, 0, 4], 0.5),
            "study.toml: candidates.zones[1]: expected it inside the room",
        ),
        (
            HEAD + "[candidates]\nmics = 4\n" + ZONE.format([1, 0, 1], [5, 1, 0], 0.5),
            "study.toml: candidates.zones[1].max_m: expected no coordinate below min_m [1.0, 0.0, 1.0]",
        ),
        (
            HEAD + "[candidates]\nmics = 4\n" + ZONE.format([0, 0, 0], [6, 2, 2], 0.05),
            "study.toml: candidates.zones[1].step_m: expected at most 5000 points, found 203401",
        ),
        (
            HEAD + BOX.format(1, 2) + "[candidates]\nmics = 4\n" + ZONE.format([1.5, 1, 1], [1.5, 1, 2], 0.5),
            "study.toml: candidates.zones[1]: expected places for microphones, found none outside of rack",
        ),
        (
            HEAD + LAYOUTS + POSITIONS + '[[candidates.sets]]\nname = "s"\nmics = ["N1", "pack-corner A"]\n',
            'study.toml: candidates.sets[1].mics: expected names of positions, found "pack-corner A", did '
            "you mean pack-corners A?",
        ),
        (
            HEAD
            + LAYOUTS
            + '[[candidates.sets]]\nname = "pack-corners"\nmics = ["pack-corners A", "pack-corners B"]\n',
            'study.toml: candidates: expected a different name for each, found "pack-corners" twice',
        ),
        (HEAD + "cells = 5\n" + LAYOUTS, "study.toml: site.cells: expected a text, found 5"),
        (
            HEAD + "cells = 'some'\n" + LAYOUTS,
            'site.cells: expected "all", a list of names or { every = N }, found "some"',
        ),
        (HEAD + "cells = []\n" + LAYOUTS, "study.toml: site.cells: expected at least one, found none"),
        (HEAD + "cells = ['R9C01']\n" + LAYOUTS, 'site.cells: expected names from R1C01 to R4C13, found "R9C01"'),
        (HEAD + "cells = { every = 0 }\n" + LAYOUTS, "study.toml: site.cells.every: expected 1 to 52, found 0"),
        (HEAD + "jet_heights_m = []\n" + LAYOUTS, "study.toml: site.jet_heights_m: expected at least one, found none"),
        (HEAD + "jet_heights_m = [0.0, 2]\n" + LAYOUTS, "study.toml: site.jet_heights_m: expected 0 to 1, found 2"),
        (HEAD + BOX.format(1000, 2000) + LAYOUTS, "study.toml: site.boxes[1].min_m: expected a box in the room"),
        (HEAD + BOX.format(2, 1) + LAYOUTS, "study.toml: site.boxes[1].max_m: expected a box above min_m"),
        (HEAD + 2 * BOX.format(1, 2) + LAYOUTS, "study.toml: site.boxes[2].name: expected a different one for each"),
        (HEAD + LAYOUTS + "[conditions]\nrt60_s = []\n", "study.toml: conditions.rt60_s: expected at least one"),
        (
            HEAD + LAYOUTS + "[conditions]\nrt60_s = [0.3, 3.0]\n",
            "study.toml: conditions.rt60_s: expected 0.15 to 1.5 s, or 0 for a room without walls, found 3",
        ),
        (HEAD + LAYOUTS + "[conditions]\nsnr_db = [0, 0]\n", "study.toml: conditions.snr_db: expected each once"),
        (
            HEAD + LAYOUTS + "[conditions]\nmismatch = ['M3']\n",
            'study.toml: conditions.mismatch: expected one of none, M1, M2, found "M3"',
        ),
        (
            HEAD + LAYOUTS + "[conditions]\nfans = ['off']\n",
            'study.toml: conditions.fans: expected one of normal, fast, found "off"',
        ),
        (HEAD + LAYOUTS + "[conditions]\ndead = 'all'\n", "conditions.dead: expected one of none, each, found"),
        (HEAD + LAYOUTS + "[mismatch.M1]\nmic_m = 0.1\n", "study.toml: mismatch.M1: expected another name than"),
        (
            HEAD + LAYOUTS + "[fans.slow]\nspeeed = 1\n",
            "study.toml: fans.slow.speeed: unknown key, did you mean speed?",
        ),
        (HEAD + LAYOUTS + "[run]\nengine = 'fast'\n", 'run.engine: expected one of spectral, time, found "fast"'),
        (HEAD + LAYOUTS + "[run]\nevents = 0\n", "study.toml: run.events: expected 1 to 1e+08, found 0"),
        (HEAD + LAYOUTS + "[run]\nshard_events = 5\n", "study.toml: run.shard_events: expected 100 to 100000, found 5"),
        (
            HEAD + LAYOUTS + "[run]\nevents = 100000000\nshard_events = 100\n[conditions]\nsnr_db = [-9, -12]\n",
            "study.toml: run.shard_events: expected at most 1000000 shards in all, found 2000000: raise it",
        ),
        (
            HEAD + LAYOUTS + "[detection]\nnegatives = ['drum']\nnegative_events = 3\n",
            "study.toml: detection.negatives: expected some of air-tool, door, contactor, extinguisher, rain, speech, "
            'pcs-whine, hvac, found "drum"',
        ),
        (HEAD + LAYOUTS + "[detection]\nnegatives = ['door']\n", "detection.negative_events: expected negatives and"),
        (HEAD + "noise_dbfs = 3\n" + LAYOUTS, "study.toml: site.noise_dbfs: expected -80 to -10, found 3"),
    ],
)
def test_what_cannot_be_used_is_one_line(trouble_of, text, message):
    assert message in trouble_of(text)


def test_a_layout_without_a_room_is_refused(trouble_of, tmp_path):
    head, _, tail = layout_path("pack-corners").read_text().partition("[room]")
    (tmp_path / "bare.toml").write_text(head + "[cells]" + tail.partition("[cells]")[2])
    text = 'schema = 1\n[site]\nlayout = "bare.toml"\n' + LAYOUTS
    assert trouble_of(text) == (
        "study.toml: site.layout: expected a layout that says how large its room is, found none"
    )


def test_a_room_too_large_for_a_reverberation_time_is_refused(trouble_of, tmp_path):
    text = layout_path("pack-corners").read_text()
    (tmp_path / "hall.toml").write_text(text.replace("max_m = [6.06, 2.44, 2.90]", "max_m = [60, 40, 20]"))
    found = trouble_of('schema = 1\n[site]\nlayout = "hall.toml"\n' + LAYOUTS + "[conditions]\nrt60_s = [0.15]\n")
    assert found.startswith("study.toml: conditions.rt60_s: expected a time that a room of 60 x 40 x 20 m can have")


def test_a_jet_above_the_roof_is_refused(trouble_of, tmp_path):
    text = layout_path("pack-corners").read_text()
    (tmp_path / "low.toml").write_text(text.replace("max_m = [6.06, 2.44, 2.90]", "max_m = [6.06, 2.44, 1.7]"))
    found = trouble_of('schema = 1\n[site]\nlayout = "low.toml"\njet_heights_m = [0.8]\n' + LAYOUTS)
    assert found == "study.toml: site.jet_heights_m: expected jets inside the room, found R1C01 + 0.8 m"


def test_a_layout_file_that_is_not_there(trouble_of):
    assert "no.toml: cannot be read" in trouble_of(HEAD + '[candidates]\nlayouts = ["no.toml"]\n', LayoutError)


def test_a_file_that_is_not_there_or_not_toml(trouble_of, tmp_path):
    assert "study.toml: not valid TOML" in trouble_of("schema = \n")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_study(tmp_path / "none.toml")
