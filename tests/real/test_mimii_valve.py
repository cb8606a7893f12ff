"""Two real recordings of an industrial valve (MIMII, Purohit et al. 2019), where they are present."""

import json
import os
from pathlib import Path

import pytest

from trad_array_cli.main import run

FOLDER = Path(os.environ.get("TRAD_ARRAY_REAL_DATA", "nowhere")) / "mimii-valve"
LAYOUT = Path(__file__).parents[2] / "examples" / "mimii-valve.toml"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="TRAD_ARRAY_REAL_DATA has no folder mimii-valve")


@pytest.mark.parametrize("name", ["valve_id00_n_00000117_quiet.wav", "valve_id06_n_00000048.wav"])
def test_most_clicks_come_from_where_the_valve_is(name, capsys):
    # A click lasts some tens of milliseconds and there are several a second apart.
    options = ["--layout", str(LAYOUT), "--release-s", "0.2", "--window-s", "0.2", "--json"]
    assert run(["localize", str(FOLDER / name), *options]) == 0
    clicks = [json.loads(line)["best"] for line in capsys.readouterr().out.splitlines()]
    assert len(clicks) >= 3
    assert clicks.count("000") > len(clicks) / 2
