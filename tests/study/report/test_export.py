"""What other tools read."""

import csv

import numpy as np
import pytest

from trad_array.errors import ConfigError
from trad_array.study.report.export import export_chama, export_csv
from trad_array.study.results import read_results


@pytest.fixture(scope="module")
def small(make):
    return make(sizes=(4, 3), snr_db=(-18.0, -6.0), rt60_s=(0.4,), cells=[0, 5, 9])


@pytest.fixture
def folder(small, run_folder):
    return run_folder(small)


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_cell_under_every_condition_meets_every_microphone(folder, small):
    path = export_chama(folder)
    impact, sensors, scenarios = (
        rows(folder / name) for name in ("chama.csv", "chama-sensors.csv", "chama-scenarios.csv")
    )
    assert path == folder / "chama.csv"
    assert list(impact[0]) == ["Scenario", "Sensor", "Impact"]
    # Three cells, two loudnesses, exact and M1; seven points.
    assert (len(scenarios), len(sensors), len(impact)) == (12, 7, 84)
    assert {row["Scenario"] for row in impact} == {row["Scenario"] for row in scenarios}
    assert {row["Sensor"] for row in impact} == {row["Sensor"] for row in sensors} == set(small.study.points.names)
    assert sum(float(row["Probability"]) for row in scenarios) == pytest.approx(1.0)
    assert {row["Undetected Impact"] for row in scenarios} == {"1.0"}
    assert {row["Cost"] for row in sensors} == {"1.0"}


def test_the_impact_is_what_is_not_put_in_the_right_cell(folder, small):
    export_chama(folder)
    table = small.table
    keep = (table["measure"] == "localization") & (table["dead"] == "") & (table["snr_db"] == -18.0)
    keep &= (table["mismatch"] == "M1") & (table["cell"] == "R1C06") & (table["layout"] == "reference")
    (wrong,) = 1 - table["right"][keep] / table["n"][keep]
    found = [
        float(row["Impact"])
        for row in rows(folder / "chama.csv")
        if row["Scenario"].startswith("R1C06 at -18 dB") and "mismatch M1" in row["Scenario"] and row["Sensor"] == "B"
    ]
    assert found == pytest.approx([wrong])


def test_whole_layouts_cost_their_microphones(folder, small, tmp_path):
    path = export_chama(folder, tmp_path / "layouts.csv", impact="layout")
    assert rows(tmp_path / "layouts-sensors.csv") == [
        {"Sensor": "reference", "Cost": "4.0"},
        {"Sensor": "choice-1", "Cost": "3.0"},
    ]
    # Weighed by probability, all scenarios of a layout give the mean over its cells and conditions.
    table = small.table
    keep = (table["measure"] == "localization") & (table["dead"] == "") & (table["layout"] == "choice-1")
    mean = np.mean(1 - table["right"][keep] / table["n"][keep])
    found = [float(row["Impact"]) for row in rows(path) if row["Sensor"] == "choice-1"]
    assert np.mean(found) == pytest.approx(mean)


def test_arrivals_are_distances_over_the_speed_of_sound(folder, small, tmp_path):
    path = export_chama(folder, tmp_path / "first.csv", impact="arrival")
    layout = small.study.site.layout
    row = next(r for r in rows(path) if r["Scenario"].startswith("R1C10") and r["Sensor"] == "W01")
    at = small.study.points.positions_m[small.study.points.names.index("W01")]
    away_m = np.linalg.norm(layout.cells[layout.cell_index("R1C10")] - at)
    assert float(row["Impact"]) == pytest.approx(away_m / layout.speed_of_sound)
    assert (tmp_path / "first-sensors.csv").is_file()
    assert (tmp_path / "first-scenarios.csv").is_file()


def test_an_impact_that_there_is_not_is_said(folder):
    with pytest.raises(ConfigError, match="impact: expected one of wrong, layout, arrival, found 'cost'"):
        export_chama(folder, impact="cost")


def test_the_plain_table_is_the_table(folder, small):
    path = export_csv(folder)
    back = read_results(path)
    for name, column in small.table.items():
        np.testing.assert_array_equal(back[name], column)
