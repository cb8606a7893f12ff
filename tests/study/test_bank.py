"""The response bank: what a response is, that it does not depend on its company, and what happens to files."""

import multiprocessing
import os
from dataclasses import replace

import numpy as np
import pytest

from trad_array.errors import ConfigError, StoreError
from trad_array.simulation.rooms import measure_rt60
from trad_array.study.bank import open_bank
from trad_array.study.records import Box, Site
from trad_array_geometry import Layout, LayoutError, load_layout

FS = 16_000
SEED = 7


def opened(site, points, cache, *, rt60_s=0.2, **more):
    return open_bank(site, points, rt60_s=rt60_s, seed=SEED, cache=cache, **more)


def everything(bank):
    return bank.responses(np.arange(len(bank.sources.names)), range(len(bank.points)))


def direct_of(response, at):
    """The stretch around a delay in samples, windowed, as a spectrum without the delay; frequencies beside it."""
    first = int(at) - 100
    padded = np.pad(response.astype(float), (200, 200))[first + 200 :][:201]
    frequencies = np.fft.rfftfreq(4096, 1 / FS)
    spectrum = np.fft.rfft(padded, 4096) * np.exp(2j * np.pi * frequencies * (at - first) / FS)
    return frequencies, spectrum


def test_direct_sound_has_the_delay_and_height_of_the_distance(small_site, small_points, tmp_path):
    bank = opened(small_site, small_points, tmp_path, rt60_s=0.0)
    assert bank.rt60_s == bank.rt60_aim_s == 0.0
    heard = everything(bank)
    distances = np.linalg.norm(bank.sources.positions_m[:, None] - bank.points, axis=-1)
    for response, distance in zip(heard.reshape(-1, bank.n), distances.ravel(), strict=True):
        frequencies, spectrum = direct_of(response, distance / bank.speed_of_sound * FS)
        band = (frequencies > 500) & (frequencies < 6_000)
        late = -np.angle(spectrum[band]) / (2 * np.pi * frequencies[band]) * FS
        assert np.abs(late).max() < 0.15
        assert np.allclose(np.abs(spectrum[band]), 1 / distance, rtol=0.06)


def test_direct_sound_is_whole_in_a_hall_where_it_comes_after_the_reflections_of_near_places(tmp_path, points_at):
    layout = load_layout("row-corners")
    hall = replace(layout, box_m=np.array([[0.0, 0.0, 0.0], [16.0, 9.0, 5.0]]))
    far = points_at(np.array([[15.5, 8.0, 4.0]]))
    bank = opened(Site(hall, np.array([0])), far, tmp_path, rt60_s=0.5)
    distance = float(np.linalg.norm(layout.cells[0] - far.positions_m[0]))
    bare = opened(Site(hall, np.array([0])), far, tmp_path, rt60_s=0.0)
    assert distance / bank.speed_of_sound > 0.035
    row = bank.cell_rows[0, 0]
    peak = int(np.abs(bare.responses([row], [0])[0, 0]).argmax())
    heard = bank.responses([row], [0])[0, 0]
    tail = float(heard[peak + 500 : peak + 1000].std())
    assert heard[peak] == pytest.approx(float(bare.responses([row], [0])[0, 0, peak]), abs=4 * tail)


@pytest.mark.parametrize("rt60_s", [0.2, 0.5])
def test_measured_reverberation_time_is_within_five_percent_of_the_request(small_site, small_points, tmp_path, rt60_s):
    bank = opened(small_site, small_points, tmp_path, rt60_s=rt60_s)
    assert bank.rt60_requested_s == rt60_s
    assert bank.rt60_s == pytest.approx(rt60_s, rel=0.05)
    far = [measure_rt60(response, FS) for response in bank.responses(bank.noise_rows, range(6)).reshape(-1, bank.n)]
    assert np.median(far) == pytest.approx(rt60_s, rel=0.05)


def test_a_room_that_comes_out_wrong_is_corrected(tmp_path, small_site, points_at):
    """Flat and long: Eyring's formula misses, what is made is measured and aimed again."""
    flat = replace(small_site.layout, box_m=np.array([[0.0, 0.0, 0.0], [6.0, 3.6, 1.9]]))
    bank = opened(Site(flat, np.array([0])), points_at(flat.mics), tmp_path, rt60_s=0.2)
    assert bank.rt60_s == pytest.approx(0.2, rel=0.05)
    assert bank.rt60_aim_s == pytest.approx(0.2, rel=0.2)


def test_a_response_does_not_depend_on_the_other_points(small_site, small_points, tmp_path, points_at):
    together = everything(opened(small_site, small_points, tmp_path / "all"))
    alone = opened(small_site, points_at(small_points.positions_m[[4, 2]]), tmp_path / "two")
    assert np.array_equal(everything(alone), together[:, [4, 2]])


def test_a_response_does_not_depend_on_the_number_of_processes(small_site, small_points, tmp_path):
    seen = []
    one = opened(small_site, small_points, tmp_path / "one")
    two = opened(
        small_site,
        small_points,
        tmp_path / "two",
        workers=2,
        batch=2,
        progress=lambda done, of: seen.append((done, of)),
    )
    assert np.array_equal(everything(one), everything(two))
    assert one.digest == two.digest
    assert seen[-1] == (6, 6)


def test_a_process_that_dies_is_one_line_and_what_is_done_is_kept(small_site, small_points, tmp_path):
    def kill_all(*_):
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(StoreError, match="a process that made responses has ended; what it finished is kept"):
        opened(small_site, small_points, tmp_path, workers=2, batch=1, progress=kill_all)
    made = []
    bank = opened(small_site, small_points, tmp_path, progress=lambda *k: made.append(k))
    assert 1 <= made[-1][1] < 6
    whole = opened(small_site, small_points, tmp_path / "whole")
    assert np.array_equal(everything(bank), everything(whole))


def test_other_seed_other_tail_same_reflections(small_site, small_points, tmp_path, points_at):
    some = points_at(small_points.positions_m[:1])
    first = open_bank(small_site, some, rt60_s=0.2, seed=1, cache=tmp_path)
    other = open_bank(small_site, some, rt60_s=0.2, seed=2, cache=tmp_path)
    assert first.digest != other.digest
    a, b = everything(first), everything(other)
    n = min(first.n, other.n)
    assert not np.allclose(a[..., 600:n], b[..., 600:n])
    # The seed also draws where the reverberation is measured, so the walls differ by a percent.
    assert np.allclose(a[..., :300], b[..., :300], atol=0.02)


def test_another_point_makes_one_file_and_leaves_the_others(small_site, small_points, tmp_path, points_at):
    before = opened(small_site, points_at(small_points.positions_m[:4]), tmp_path)
    kept = {path: path.stat().st_mtime_ns for path in before.folder.iterdir()}
    assert len(kept) == 4
    made = []
    after = opened(small_site, points_at(small_points.positions_m[:5]), tmp_path, progress=lambda *k: made.append(k))
    assert made == [(1, 1)]
    assert after.folder == before.folder
    assert {path: path.stat().st_mtime_ns for path in after.folder.iterdir() if path in kept} == kept
    assert len(list(after.folder.iterdir())) == 5


def test_boxes_and_levels_leave_the_files_as_they_are(small_site, small_points, tmp_path):
    plain = opened(small_site, small_points, tmp_path)
    made = []
    lid = Box("lid", (0.0, 0.0, 1.02), (6.0, 3.6, 1.03))
    boxed = opened(
        replace(small_site, boxes=(lid,), noise_dbfs=-30.0), small_points, tmp_path, progress=lambda *k: made.append(k)
    )
    assert made == []
    assert boxed.folder == plain.folder
    assert boxed.digest != plain.digest


def test_a_file_that_lost_its_end_is_made_again(small_site, small_points, tmp_path):
    whole = everything(opened(small_site, small_points, tmp_path))
    folder = opened(small_site, small_points, tmp_path).folder
    victim = sorted(folder.iterdir())[2]
    victim.write_bytes(victim.read_bytes()[:-1000])
    assert np.array_equal(everything(opened(small_site, small_points, tmp_path)), whole)


@pytest.mark.parametrize(("loss_db", "slope_db"), [(10.0, 3.0), (20.0, 0.0), (6.0, 6.0)])
def test_a_box_in_the_way_weakens_the_direct_sound_alone(tmp_path, loss_db, slope_db, points_at):
    layout: Layout = load_layout("row-corners")
    site = Site(layout, np.arange(13), jet_heights_m=(0.0,))
    beyond = points_at(np.array([[1.6, 1.7, 1.6], [4.4, 1.8, 1.5]]))
    wall = Box("wall", (2.0, 1.0, 0.5), (2.1, 2.4, 2.5), loss_db, slope_db)
    plain = opened(site, beyond, tmp_path)
    boxed = opened(replace(site, boxes=(wall,)), beyond, tmp_path)
    rows = boxed.cell_rows[:, 0]
    bare, heard = plain.responses(rows, [0, 1]), boxed.responses(rows, [0, 1])
    assert np.array_equal(bare[:, 1], heard[:, 1])
    for row, before, after in zip(rows, bare[:, 0], heard[:, 0], strict=True):
        distance = float(np.linalg.norm(boxed.sources.positions_m[row] - boxed.points[0]))
        at = distance / boxed.speed_of_sound * FS
        changed = np.flatnonzero(before != after)
        assert changed.min() > at - 110
        assert changed.max() < at + 110
        frequencies, taken = direct_of(before - after, at)
        left = 1.0 - taken * distance
        for hz, expected_db in ((4_000, loss_db), (2_000, loss_db - slope_db), (1_000, max(loss_db - 2 * slope_db, 0))):
            found = left[int(np.abs(frequencies - hz).argmin())]
            assert -20 * np.log10(np.abs(found)) == pytest.approx(expected_db, abs=0.6)
            assert abs(np.angle(found)) < 0.05


def test_two_boxes_in_the_way_add_up(tmp_path, points_at):
    site = Site(load_layout("row-corners"), np.arange(1), jet_heights_m=(0.0,))
    beyond = points_at(np.array([[1.2, 1.7, 1.6]]))
    boxes = tuple(Box(f"w{k}", (1.5 + 0.2 * k, 1, 0.5), (1.55 + 0.2 * k, 2.4, 2.5), 6.0, 0.0) for k in range(2))
    bare = opened(site, beyond, tmp_path, rt60_s=0.0).responses([0], [0])[0, 0]
    heard = opened(replace(site, boxes=boxes), beyond, tmp_path, rt60_s=0.0).responses([0], [0])[0, 0]
    assert np.abs(heard).max() == pytest.approx(np.abs(bare).max() * 10 ** (-12 / 20), rel=0.02)


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(
    small_site, small_points, tmp_path, points_at, files_up_to
):
    opened(small_site, points_at(small_points.positions_m[:1]), tmp_path)
    folder = opened(small_site, points_at(small_points.positions_m[:1]), tmp_path).folder
    with files_up_to(50_000), pytest.raises(StoreError) as trouble:
        opened(small_site, small_points, tmp_path)
    assert str(trouble.value).endswith("cannot be written: no space left on the disk")
    assert "\n" not in str(trouble.value)
    assert len(list(folder.iterdir())) == 1
    assert len(everything(opened(small_site, small_points, tmp_path))[0]) == 6


def test_half_written_files_of_killed_processes_are_swept_up(small_site, small_points, tmp_path):
    folder = opened(small_site, small_points, tmp_path).folder
    old, new = folder / "1_2_3.npy.abc.part", folder / "1_2_4.npy.def.part"
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (0, 0))
    opened(small_site, small_points, tmp_path)
    assert (old.exists(), new.exists()) == (False, True)


def test_a_microphone_where_something_sounds_names_both(small_site, small_points, tmp_path, points_at):
    on_a_valve = np.vstack([small_points.positions_m[4:], small_site.layout.cells[6] + [0.001, 0, 0.05]])
    with pytest.raises(ConfigError, match=r"microphone p2: expected at least 20 mm .* found R1C07 \+ 0.05 m at 1.0 mm"):
        opened(small_site, points_at(on_a_valve), tmp_path)


def test_a_jet_above_the_roof_is_refused(small_site, small_points, tmp_path):
    with pytest.raises(LayoutError, match=r"jet_heights_m: expected jets inside the room, found R1C01 \+ 2.5 m"):
        opened(replace(small_site, jet_heights_m=(0.0, 2.5)), small_points, tmp_path)


@pytest.mark.parametrize("rt60_s", [0.1, 2.0, -0.3])
def test_a_reverberation_time_out_of_range_is_refused(small_site, small_points, tmp_path, rt60_s):
    with pytest.raises(ConfigError, match="rt60_s: expected 0.15 to 1.5 s"):
        opened(small_site, small_points, tmp_path, rt60_s=rt60_s)


def test_a_reverberation_time_that_the_room_cannot_have_is_refused(small_site, small_points, tmp_path):
    hall = replace(small_site.layout, box_m=np.array([[0.0, 0.0, 0.0], [60.0, 40.0, 20.0]]))
    with pytest.raises(ConfigError, match=r"a room of 60 x 40 x 20 m can have, found 0.15: its walls would swallow 99"):
        opened(Site(hall, np.array([0])), small_points, tmp_path, rt60_s=0.15)


def test_rows_say_what_is_where(small_site, small_points, tmp_path):
    bank = opened(small_site, small_points, tmp_path)
    layout = small_site.layout
    assert bank.cell_rows.shape == (layout.n_cells, 2)
    assert np.array_equal(np.flatnonzero(bank.cell_rows[:, 0] >= 0), small_site.cells)
    where = bank.sources.positions_m
    assert np.allclose(where[bank.cell_rows[small_site.cells, 0]], layout.cells[small_site.cells])
    assert np.allclose(where[bank.cell_rows[small_site.cells, 1]] - layout.cells[small_site.cells], [0, 0, 0.05])
    assert np.allclose(where[bank.guard_rows], layout.guards)
    assert len(bank.noise_rows) >= 3
