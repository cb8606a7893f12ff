"""A watch that is begun again at a quiet moment hears the same."""

import json

import numpy as np
import pytest

from trad_array.audio.files import blocks
from trad_array.chain import make_chain
from trad_array.errors import ConfigError
from trad_array.events import OpenEvents, Origin, event_json, event_step
from trad_array.monitor.moments import Replay, moment_of, read_replay, state_at
from trad_array.records import Block, Recording
from trad_array_geometry import load_layout

ORIGIN = Origin("card", "excess")


@pytest.fixture(scope="module")
def layout():
    return load_layout("row-frame")


@pytest.fixture
def recording(layout, rng, hiss) -> Recording:
    """Fans that change slowly, a vent at 14 s."""
    quiet = hiss.recording(layout, layout.cells[5], seconds=20.0, spans_s=((14.0, 16.5),))
    slow = 1.0 + 0.5 * np.sin(np.arange(quiet.samples.shape[1]) / 16_000)
    noise = rng.standard_normal(quiet.samples.shape) * 0.004 * slow
    return Recording((quiet.samples + noise).astype(np.float32), 16_000)


def told_from(chain, state, stream):
    """JSON of every event message from a state on."""
    told, messages = OpenEvents(), []
    for block in stream:
        state, output = chain.step(state, block)
        told, events = event_step(told, output)
        messages += [event_json(event, chain, ORIGIN) for event in events]
    told, events = event_step(told, chain.finish(state))
    return messages + [event_json(event, chain, ORIGIN) for event in events]


@pytest.mark.parametrize("size", [160, 1000, 16_000])
def test_from_a_quiet_moment_before_an_event_all_messages_are_the_same(layout, recording, size):
    chain = make_chain(layout)
    state = chain.start()
    moments = []
    for block in blocks(recording, size=size):
        state, _ = chain.step(state, block)
        moments.append(moment_of(chain, state))
    expected = told_from(chain, chain.start(), blocks(recording, size=size))
    assert {message["best"] for message in expected if message["best"]} == {layout.cell_names[5]}
    onset = expected[-1]["onset_s"] * 16_000
    moment = [m for m in moments if m.quiet and m.at <= onset - 5 * 16_000][-1]
    assert moment.at > 4 * 16_000
    rest = Block(recording.samples[:, moment.at :], moment.at, 16_000)
    assert told_from(chain, state_at(chain, moment), [rest]) == expected


def test_a_moment_during_an_event_says_that_it_is_not_quiet(layout, recording):
    chain = make_chain(layout)
    state = chain.start()
    for block in blocks(recording, size=8192):
        state, _ = chain.step(state, block)
        if block.start <= 15 * 16_000 < block.end:
            assert not moment_of(chain, state).quiet
            return
    pytest.fail("expected to come by 15 s")


def test_a_replay_file_holds_what_was_put_in(layout, recording, tmp_path):
    chain = make_chain(layout)
    state, _ = chain.step(chain.start(), next(iter(blocks(recording, size=50_000))))
    replay = Replay(moment_of(chain, state), 1234, 48_000, ORIGIN, layout.id)
    path = tmp_path / "replay.npz"
    path.write_bytes(replay.to_bytes())
    found = read_replay(path)
    assert (found.clip_start, found.capture_fs, found.origin, found.layout) == (1234, 48_000, ORIGIN, layout.id)
    assert (found.moment.at, found.moment.quiet) == (replay.moment.at, replay.moment.quiet)
    assert found.moment.floor.ticks == replay.moment.floor.ticks > 0
    np.testing.assert_array_equal(found.moment.floor.level, replay.moment.floor.level)
    np.testing.assert_array_equal(found.moment.live.live, replay.moment.live.live)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", json.dumps({"schema": 1}).encode()])
def test_another_file_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "replay.npz"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="expected what a watch wrote beside a clip"):
        read_replay(path)
