"""Settings: what a file may say, what is told when it says something else, what the schema promises."""

import json
from pathlib import Path

import pytest

from trad_array.config import Config, chain_of, config_schema, config_text, read_config
from trad_array.errors import ConfigError, LayoutError
from trad_array.settings import changed


@pytest.fixture
def write(tmp_path):
    def written(text: str) -> Path:
        path = tmp_path / "trad-array.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def test_the_printed_file_reads_back_as_the_same_settings(write):
    config = changed(
        Config(), {"layout": "row-frame", "output": ("json:-", 'exec:say "x"'), "trigger.on": 7.5, "alarm.off_s": 0.0}
    )
    assert read_config(write(config_text(config))) == config


def test_every_setting_is_explained_where_it_is_printed():
    lines = config_text(Config()).splitlines()
    for before, line in zip(lines, lines[1:], strict=False):
        if " = " in line and not line.startswith("#"):
            assert before.startswith("# "), line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[trigger]\nhold = 1\n", "trigger.hold: missing unit, expected hold_s"),
        ("[trigger]\nrelaese_s = 1\n", "trigger.relaese_s: unknown key, did you mean release_s?"),
        ("[trigger]\non = 2.0\n", "trigger.off: expected at most on = 2, found 3"),
        ('[source]\ndtype = "int8"\n', 'source.dtype: expected one of int16, int32, float32, found "int8"'),
        ("[source]\nchannel_map = [1, 0]\n", "source.channel_map: expected a list of whole numbers"),
        ('output = "json:-"\n', "output: expected a list of texts"),
        ("[alarm]\noff_s = -1\n", "alarm.off_s: expected 0 to 600, found -1"),
        ("[trigger]\nverify_s = 241\n", "trigger.verify_s: expected 0 to 240, found 241"),
        ("schema = 2\n", "schema: expected 1 to 1, found 2"),
        ("[scorer]\nuse = 'mine'\nmodel = 'a'\n", "expected use or model, found both"),
        ("[trigger\n", "not valid TOML"),
    ],
)
def test_what_cannot_be_used_is_told_with_file_and_key(write, text, said):
    path = write(text)
    with pytest.raises(ConfigError) as told:
        read_config(path)
    assert said in str(told.value)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


def test_paths_in_a_file_are_seen_from_its_folder(write, tmp_path):
    config = read_config(write("layout = 'mine.toml'\nsite = 'site.toml'\n[scorer]\nuse = 'mine.py:Mine'\n"))
    assert config.layout == str(tmp_path / "mine.toml")
    assert config.site == str(tmp_path / "site.toml")
    assert config.scorer.use == str(tmp_path / "mine.py:Mine")
    told = read_config(write("output = ['json:-', 'json:log/told.jsonl', 'exec:tee x']\n")).output
    assert told == ("json:-", f"json:{tmp_path / 'log/told.jsonl'}", "exec:tee x")


def test_the_chain_has_what_the_settings_ask_for():
    config = changed(
        Config(), {"layout": "row-frame", "trigger.on": 9.0, "trigger.verify_s": 0.0, "localizer.window_s": 0.5}
    )
    chain = chain_of(config)
    assert chain.layout.id == "row-frame"
    assert chain.hearing.events.on == 9.0
    assert chain.hearing.events.verify_frames == 0
    assert chain.window.window_s == 0.5


def test_a_chain_needs_a_layout_that_exists():
    with pytest.raises(ConfigError, match="layout: missing"):
        chain_of(Config())
    with pytest.raises(LayoutError, match="nowhere"):
        chain_of(changed(Config(), {"layout": "nowhere"}))


def test_the_schema_names_every_key_with_its_range_and_nothing_else():
    schema = json.loads(json.dumps(config_schema()))
    trigger = schema["properties"]["trigger"]
    assert trigger["additionalProperties"] is False
    assert trigger["properties"]["verify_s"] == {
        "type": "number",
        "minimum": 0.0,
        "maximum": 240.0,
        "default": 2.0,
        "description": trigger["properties"]["verify_s"]["description"],
    }
    assert schema["properties"]["source"]["properties"]["dtype"]["enum"] == ["int16", "int32", "float32"]
    assert "default" not in schema["properties"]["site"]
    for section in schema["properties"].values():
        for setting in section.get("properties", {"": section}).values():
            assert setting["description"].endswith(".")
