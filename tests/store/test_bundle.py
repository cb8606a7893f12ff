import html.parser
import json
import os
import re

import numpy as np
import pytest

from trad_array.alarm.bundle import (
    Evidence,
    changed_files,
    draw_apart,
    draw_bundle,
    refresh_bundle,
    undrawn,
    write_bundle,
)
from trad_array.alarm.clip import ClipRule, Clips, clip_begin, clip_end, clip_step
from trad_array.alarm.clip_file import read_clip
from trad_array.alarm.store import Store
from trad_array.audio.captured import Captured
from trad_array.audio.files import blocks
from trad_array.chain import make_chain, run
from trad_array.errors import StoreError
from trad_array.events import Origin, event_json, events_of
from trad_array_geometry import layout_path, load_layout

from .conftest import event

FS = 16_000
PARTS = {"event.json", "messages.jsonl", "layout.toml", "config.json", "clip.json", "clip.flac", "hashes.json"}


@pytest.fixture(scope="module")
def evidence():
    """A hiss from a cell, heard by the whole chain, and what it takes to prove it."""
    from tests.conftest import Hiss

    layout = load_layout("row-corners")
    chain = make_chain(layout)
    heard = Hiss(np.random.default_rng(5)).recording(layout, layout.cells[4], seconds=6.0)
    (found,) = events_of(run(chain, blocks(heard)))
    record = event_json(found, chain, Origin("hiss <&> test", "excess"))
    samples = np.round(heard.samples * 2**15).astype(np.int16)
    rule = ClipRule(before_s=1.0)
    state, _ = clip_step(rule, Clips(), Captured(samples, 0, FS))
    state = clip_begin(rule, state, record["id"], onset=found.detection.onset)
    state = clip_end(rule, state, record["id"], end=found.ended.end)
    _, (clip,) = clip_step(rule, state, Captured(np.zeros_like(samples), samples.shape[1], FS))
    return Evidence(
        event=record,
        messages=[{**record, "state": "new"}, record],
        layout_toml=layout_path("row-corners").read_text(),
        config={"threshold": 6.0},
        clip=clip,
        hashes={"model": "ab" * 32},
        extra={"replay.npz": b"state of the chain"},
    )


class Page(html.parser.HTMLParser):
    """Everything that a browser would fetch, and every tag that is left open."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self, text):
        super().__init__()
        self.addresses, self.open, self.tags, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [
            v for k, v in attrs if k in ("src", "href", "srcset", "data", "action", "poster", "background")
        ]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_a_bundle_has_the_sound_the_words_and_what_it_was_heard_with(tmp_path, evidence):
    folder = write_bundle(tmp_path, evidence)
    assert folder == tmp_path / evidence.event["id"]
    assert {p.name for p in folder.iterdir()} == PARTS | {"index.html", "replay.npz"}
    assert json.loads((folder / "event.json").read_text()) == evidence.event
    assert [json.loads(line)["state"] for line in (folder / "messages.jsonl").read_text().splitlines()] == [
        "new",
        "end",
    ]
    about = json.loads((folder / "clip.json").read_text())
    np.testing.assert_array_equal(read_clip(folder, about), np.concatenate(list(evidence.clip.stretches()), axis=1))
    assert abs((about["onset"] - about["start"]) / FS - 1.0) < 1e-9
    assert (folder / "layout.toml").read_text() == evidence.layout_toml
    hashes = json.loads((folder / "hashes.json").read_text())
    assert hashes["given"] == {"model": "ab" * 32}
    assert {"numpy", "python", "libsndfile"} <= set(hashes["versions"])
    assert changed_files(folder) == ()
    (folder / "config.json").write_text("{}")
    (folder / "replay.npz").unlink()
    assert set(changed_files(folder)) == {"config.json", "replay.npz"}


def test_pictures_are_drawn_from_the_folder_alone_and_the_page_asks_for_nothing(tmp_path, evidence):
    folder = write_bundle(tmp_path, evidence)
    assert undrawn(tmp_path) == (folder,)
    assert draw_bundle(folder) == ()
    assert undrawn(tmp_path) == ()
    for picture in ("heatmap.png", "aligned.png"):
        assert (folder / picture).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert changed_files(folder) == ()
    text = (folder / "index.html").read_text()
    page = Page(text)
    assert page.open == []
    assert len(page.addresses) == 3
    assert all(re.match(r"data:(image/png|audio/flac);base64,[A-Za-z0-9+/=]+$", a) for a in page.addresses)
    assert {"img", "audio"} <= set(page.tags)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "@import" not in text
    # What a person wants to know stands there, and nothing of a message becomes part of the page's own code.
    assert "are assumed" in page.text
    assert "hiss <&> test" in page.text
    assert evidence.event["best"] in page.text
    for cell in evidence.event["cells"]:
        assert cell["id"] in page.text
    assert "ab" * 32 in page.text


def test_pictures_can_be_drawn_by_another_process(tmp_path, evidence):
    folder = write_bundle(tmp_path, evidence)
    draw_apart(folder)
    assert (folder / "heatmap.png").stat().st_size > 10_000
    (folder / "layout.toml").write_text("nothing")
    with pytest.raises(StoreError, match="pictures cannot be drawn: .*layout"):
        draw_apart(folder)
    with pytest.raises(StoreError, match=r"within 0.01 s"):
        draw_apart(folder, limit_s=0.01)


def test_an_event_without_map_or_sound_has_a_bundle_too(tmp_path, evidence):
    bare = {
        **evidence.event,
        "id": "bare",
        "best": None,
        "cells": [],
        "tdoa_us": [],
        "why_not_placed": "two microphones",
    }
    folder = write_bundle(tmp_path, Evidence(bare, [bare], evidence.layout_toml, {}))
    assert draw_bundle(folder) == ()
    assert "not localizable: two microphones" in Page((folder / "index.html").read_text()).text
    with_sound = write_bundle(tmp_path, Evidence(bare, [bare], evidence.layout_toml, {}, clip=evidence.clip))
    assert draw_bundle(with_sound) == ("aligned.png: the event has no map",)


def test_what_is_said_later_comes_into_the_bundle(tmp_path, evidence):
    folder = write_bundle(tmp_path, evidence)
    later = {**evidence.event, "state": "end", "end_s": 99.5}
    refresh_bundle(folder, later, [*evidence.messages, later])
    assert json.loads((folder / "event.json").read_text())["end_s"] == 99.5
    assert "99.5" in (folder / "index.html").read_text()
    assert changed_files(folder) == ()


def test_a_bundle_that_cannot_be_written_leaves_nothing_and_the_event_stays(tmp_path, evidence):
    with Store(tmp_path) as store:
        store.add_event(evidence.event)
        bad = Evidence(evidence.event, [], evidence.layout_toml, {}, extra={"../outside": b""})
        with pytest.raises(StoreError, match="outside"):
            write_bundle(store.bundles, bad)
        with pytest.raises(StoreError, match="No such file"):
            write_bundle(store.bundles / "missing", evidence)
        with pytest.raises(StoreError, match="found '../x'"):
            write_bundle(store.bundles, Evidence({**evidence.event, "id": "../x"}, [], "", {}))
        assert list(store.bundles.iterdir()) == []
        assert [e.id for e in store.events()] == [evidence.event["id"]]


def test_the_store_finds_bundles_that_were_finished_without_it_and_removes_halves(tmp_path, evidence):
    with Store(tmp_path) as store:
        store.add_event(evidence.event)
        store.add_event(event("gone"))
        folder = write_bundle(store.bundles, evidence)
        store.set_bundle("gone", store.bundles / "gone")
        (store.bundles / "half.part").mkdir()
        os.rename(folder, folder.with_name(folder.name + ".old.part"))  # killed while it was replaced
    with Store(tmp_path) as store:
        found = {e.id: e for e in store.events()}
        assert found[folder.name].bundle == folder.name
        assert found[folder.name].bundle_bytes == sum(p.stat().st_size for p in folder.iterdir())
        assert found["gone"].bundle is None
        assert [p.name for p in store.bundles.iterdir()] == [folder.name]
        assert any("half.part" in note for note in store.take_notes())
