"""`trad-array reliability`."""

import pytest


@pytest.mark.slow
def test_it_draws_and_says_what_was_covered(cli, objects, tmp_path):
    asked = ["reliability", "--layout", "row-corners", "--scenes", 6, "--seed", 5, "-o", tmp_path / "r.png"]
    (found,) = objects(*asked, "--json")
    assert (found["layout"], found["scenes"], found["simulated"]) == ("row-corners", 6, True)
    assert 0.5 < found["right"] <= 1.0
    assert found["covered_randomised"] <= found["covered"] <= 1.0
    assert 1.0 <= found["set_size_mean"] <= 13.0
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = cli(*asked)
    assert code == 0
    assert f"{found['right']:.1%}" in out


def test_a_layout_without_a_room_is_bad_input(cli, tmp_path):
    from trad_array_geometry import layout_path

    text = layout_path("row-corners").read_text()
    head, _, tail = text.partition("[room]")
    path = tmp_path / "open.toml"
    path.write_text(head + tail[tail.index("[cells]") :])
    code, _, err = cli("reliability", "--layout", path, "--scenes", 1, "-o", tmp_path / "r.png")
    assert code == 3
    assert "expected a room" in err


@pytest.mark.parametrize("arguments", [["--mismatch", "some"], ["-o", "r.txt"], ["--scenes", 0]])
def test_wrong_usage(cli, tmp_path, arguments):
    assert cli("reliability", "--layout", "row-corners", "-o", tmp_path / "r.png", *arguments)[0] == 2
