"""Event lists of people: Audacity labels and Raven tables."""

import pytest

from trad_array.audio.labels import Label, read_labels
from trad_array.errors import AudioError


def test_audacity(tmp_path):
    text = "3.5\t4.25\tvent\n1.0\t1.0\n\\\t200.0\t9000.0\n7\t8\ttwo words\n"
    (tmp_path / "a.txt").write_text("\ufeff" + text, encoding="utf-8")
    labels = read_labels(tmp_path / "a.txt")
    assert labels == (Label(1.0, 1.0), Label(3.5, 4.25, "vent"), Label(7.0, 8.0, "two words"))


def test_raven_with_one_row_for_each_view(tmp_path):
    head = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\n"
    rows = "1\tWaveform 1\t1\t2.5\t3.0\t0\n1\tSpectrogram 1\t1\t2.5\t3.0\t0\n2\tWaveform 1\t1\t0.5\t0.75\t0\n"
    (tmp_path / "r.txt").write_text(head + rows)
    assert read_labels(tmp_path / "r.txt") == (Label(0.5, 0.75), Label(2.5, 3.0))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected labels, found none"),
        ("Begin Time (s)\tEnd Time (s)\n", "expected labels, found none"),
        ("1.0\t2.0\tx\nsoon\tlater\n", "line 2: expected start and end in seconds with tabs, found 'soon"),
        ("1.0 2.0\n", "line 1: expected start and end in seconds with tabs, found '1.0 2.0'"),
        ("2.0\t1.0\n", "line 1: expected 0 <= start <= end, found 2 and 1"),
        ("-1\t1\n", "line 1: expected 0 <= start <= end, found -1 and 1"),
        ("nan\t1\n", "line 1: expected 0 <= start <= end, found nan and 1"),
        ("1\tinf\n", "line 1: expected 0 <= start <= end, found 1 and inf"),
        ("Selection\tBegin Time (s)\n1\t2\n", "line 1: expected a column 'End Time (s)', found Selection"),
    ],
)
def test_bad_labels(tmp_path, text, said):
    (tmp_path / "bad.txt").write_text(text)
    with pytest.raises(AudioError) as caught:
        read_labels(tmp_path / "bad.txt")
    assert f"bad.txt: {said}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_that_cannot_be_read(tmp_path):
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe1\t2")
    with pytest.raises(AudioError, match="expected a label file in UTF-8"):
        read_labels(tmp_path / "b.txt")
    with pytest.raises(AudioError, match="none.txt: cannot be read: No such file"):
        read_labels(tmp_path / "none.txt")
