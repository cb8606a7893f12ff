"""However a stream is cut into blocks, scores, onsets, maps and events are the same."""

import numpy as np
import pytest

from trad_array.audio.files import blocks
from trad_array.chain import make_chain, run
from trad_array.detection.listed import Listed
from trad_array.events import Origin, event_json, events_of
from trad_array.plugins import FUSERS, SCORERS, make_fuser, make_scorer
from trad_array.records import Block, Recording
from trad_array.testing import hiss_cut
from trad_array_geometry import load_layout

SIZES = (1, 17, 160, 511, 512, 513, 1024, 4096)
LAYOUT = load_layout("row-corners")


def hear(chain, recording, size):
    outputs = list(run(chain, blocks(recording, size=size)))
    scores = np.concatenate([o.heard.scores.values for o in outputs], axis=1)
    starts = np.concatenate([o.heard.scores.starts for o in outputs])
    records = [event_json(event, chain, Origin("x", "x")) for event in events_of(outputs)]
    powers = [placed.cell_map.power for o in outputs for placed in o.placed]
    onsets = [(d.onset, d.decided_at) for o in outputs for d in o.heard.detections]
    return scores, starts, onsets, powers, records


def same(one, other):
    np.testing.assert_allclose(one[0], other[0], rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(one[1], other[1])
    assert one[2] == other[2]
    for power, power_2 in zip(one[3], other[3], strict=True):
        np.testing.assert_allclose(power, power_2, atol=1e-9)
    assert [(r["id"], r["best"], r["cells"], r["end_s"]) for r in one[4]] == [
        (r["id"], r["best"], r["cells"], r["end_s"]) for r in other[4]
    ]


@pytest.fixture(scope="module")
def recording():
    rng = np.random.default_rng(5)
    quiet = 0.01 * rng.standard_normal((4, 3 * 16_000))
    vent = hiss_cut(LAYOUT, LAYOUT.cells[8], rng).samples[:, :12_345] * 0.6
    quiet[:, 28_000 : 28_000 + vent.shape[1]] += vent
    return Recording(quiet.astype(np.float32), 16_000)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scorer", SCORERS)
def test_blocks_of_any_size_give_what_the_whole_gives(recording, scorer, size):
    chain = make_chain(LAYOUT) if scorer == "excess" else make_chain(LAYOUT, scorer=make_scorer(scorer))
    whole = hear(chain, recording, recording.samples.shape[1])
    assert len(whole[4]) == 1
    assert whole[4][0]["best"] == LAYOUT.cell_names[8]
    same(hear(chain, recording, size), whole)


@pytest.mark.parametrize("fuser", FUSERS)
def test_blocks_of_random_sizes_with_every_fuser(recording, fuser, rng):
    chain = make_chain(LAYOUT, fuser=make_fuser(fuser))
    whole = hear(chain, recording, recording.samples.shape[1])
    edges = np.sort(rng.integers(1, recording.samples.shape[1], 40)).tolist()
    cuts = [
        Block(recording.samples[:, a:b], a, 16_000)
        for a, b in zip([0, *edges], [*edges, recording.samples.shape[1]], strict=True)
    ]
    outputs = list(run(chain, cuts))
    scores = np.concatenate([o.heard.scores.values for o in outputs], axis=1)
    np.testing.assert_allclose(scores, whole[0], rtol=1e-5, atol=1e-4)
    assert [event_json(e, chain, Origin("x", "x"))["cells"] for e in events_of(outputs)] == [
        r["cells"] for r in whole[4]
    ]


@pytest.mark.parametrize("size", [17, 512, 4096])
def test_listed_events_too(recording, size):
    chain = make_chain(LAYOUT, events=Listed(((100, 20_000), (27_000, 42_000), (41_000, 47_990))))
    whole = hear(chain, recording, recording.samples.shape[1])
    assert [r["onset_s"] for r in whole[4]] == [100 / 16_000, 27_000 / 16_000, 41_000 / 16_000]
    same(hear(chain, recording, size), whole)


@pytest.fixture(scope="module")
def faint():
    """A hiss that no frame hears and half a second does, see tests/chain/test_faint.py."""
    rng = np.random.default_rng(8)
    samples = 0.01 * rng.standard_normal((4, 8 * 16_000))
    hiss = hiss_cut(LAYOUT, LAYOUT.cells[8], rng).samples
    hiss = hiss / np.sqrt((hiss[:, 2_000:12_000] ** 2).mean())
    for start in (48_000, 60_000, 72_000):
        samples[:, start : start + 12_000] += 0.01 * 10 ** (-8.0 / 20) * hiss[:, 2_000:14_000]
    return Recording(samples.astype(np.float32), 16_000)


@pytest.mark.parametrize("size", [17, 512, 4096])
def test_faint_events_too(faint, size):
    chain = make_chain(LAYOUT)
    whole = hear(chain, faint, faint.samples.shape[1])
    assert whole[1].size
    (record,) = whole[4]
    assert (record["level"], record["best"]) == ("alarm", LAYOUT.cell_names[8])
    assert record["score"] < chain.hearing.events.on  # the trigger heard nothing
    same(hear(chain, faint, size), whole)
