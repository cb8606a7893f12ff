"""`trad-array.toml`: every setting of a watch in one file, and the chain that the settings ask for."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trad_array.chain import Chain, make_chain
from trad_array.detection.trigger import Trigger
from trad_array.errors import ConfigError
from trad_array.localization.cut import CutRule
from trad_array.plugins import make_fuser, make_localizer, make_scorer
from trad_array.settings import changed, read_settings, schema_of, section, setting, toml_of
from trad_array_geometry import Layout, load_layout
from trad_array_geometry.tables import read_table

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class ScorerSettings:
    """What scores the frames."""

    use: str = setting("excess", "Scorer: a shipped name, `file.py:Class` or `module:Class`.")
    model: str | None = setting(None, "Model file written by `trad-array train`, instead of `use`.")


@dataclass(frozen=True, slots=True)
class FuserSettings:
    """How the channels are fused."""

    use: str = setting("k-of-n", "Fuser: k-of-n, median, top-k-mean, `file.py:Class` or `module:Class`.")


@dataclass(frozen=True, slots=True)
class TriggerSettings:
    """Which stretches of sound are events."""

    on: float = setting(6.0, "Fused score at which an event begins, robust z of normal sound.", low=0.0, high=1000.0)
    off: float = setting(3.0, "Fused score below which it may end; at most `on`.", low=0.0, high=1000.0)
    hold_s: float = setting(0.096, "Seconds above `on` before an event counts.", low=0.0, high=10.0)
    release_s: float = setting(2.0, "Quiet seconds that end an event.", low=0.05, high=60.0)
    verify_s: float = setting(
        2.0, "Seconds after which a sound that nothing placed elsewhere is an alarm.", low=0.0, high=240.0
    )


@dataclass(frozen=True, slots=True)
class LocalizerSettings:
    """Which cell a sound came from."""

    use: str = setting("robust", "Localizer: robust, srp-phat, wavelet-xcorr, `file.py:Class` or `module:Class`.")
    window_s: float = setting(1.0, "Seconds from the onset on that the last map hears.", low=0.05, high=10.0)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Where live sound comes from."""

    device: str | None = setting(None, "Sound card by name, see `trad-array devices`.")
    samplerate_hz: int = setting(48_000, "Rate to open the card with.", low=8_000, high=384_000)
    dtype: str = setting("int32", "Samples as the card gives them.", choices=("int16", "int32", "float32"))
    open_channels: int | None = setting(None, "Channels to open; some cards have more than the array.", low=1, high=64)
    channel_map: tuple[int, ...] = setting((), "Channel of each microphone, from 1; empty: as in the layout.", low=1)
    block_s: float = setting(0.1, "Seconds of sound handed on at a time.", low=0.005, high=1.0)
    silence_s: float = setting(2.0, "Seconds without sound after which the device is opened anew.", low=0.2, high=60.0)


@dataclass(frozen=True, slots=True)
class AlarmSettings:
    """Levels, latches and their times."""

    off_s: float = setting(10.0, "Quiet seconds that end an alert and let a reset pass.", low=0.0, high=600.0)
    sound_again_h: float = setting(24.0, "Hours after which a silenced fault sounds again.", low=0.1, high=24.0)
    heartbeat_s: float = setting(10.0, "Seconds between heartbeats on the outputs.", low=1.0, high=100.0)
    disable_h: float = setting(8.0, "Hours that a disablement lasts when nobody says how long.", low=0.1, high=720.0)
    test_min: float = setting(30.0, "Minutes that a test lasts when nobody says how long.", low=1.0, high=480.0)


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """When the array itself is at fault; docs/alarms.md has the table of faults."""

    learn_minutes: int = setting(60, "Minutes of sound before levels are judged.", low=1, high=10_000)
    quieter_db: float = setting(15.0, "A microphone may fall so far below its ordinary levels, dB.", low=3.0, high=60.0)
    louder_db: float = setting(20.0, "A microphone may rise so far above them for hours, dB.", low=3.0, high=60.0)
    differs_db: float = setting(10.0, "It may hear so much more or less than the others, dB.", low=3.0, high=60.0)
    queued_s: float = setting(2.0, "Sound may wait so long before it is heard.", low=0.5, high=60.0)
    drift_ppm: float = setting(300.0, "Its clock may be so far off, parts in a million.", low=210.0, high=10_000.0)


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """How messages go out."""

    rotate_mb: float = setting(10.0, "A file of messages that would grow larger becomes FILE.1.", low=0.01)
    rotate_files: int = setting(5, "So many old files are kept.", low=1, high=1000)
    exec_limit_s: float = setting(10.0, "A command that takes longer is killed.", low=0.1, high=600.0)


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where events are kept, and for how long."""

    folder: str | None = setting(None, "Folder of events and evidence; none: nothing is kept.")
    pre_roll_s: float = setting(5.0, "Seconds before the onset in the clip of an event.", low=0.0, high=60.0)
    max_clip_s: float = setting(120.0, "Longest clip of an event.", low=1.0, high=600.0)
    alarm_days: float = setting(400.0, "Days that alarms are kept.", low=1.0)
    alert_days: float = setting(90.0, "Days that alerts are kept.", low=1.0)
    report_days: float = setting(30.0, "Days that reports are kept.", low=1.0)
    ceiling_gb: float = setting(20.0, "Clips and evidence together take no more disk than this.", low=0.01)
    free_gb: float = setting(1.0, "Less free disk than this is a fault.", low=0.0)


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of a watch."""

    schema: int = setting(SCHEMA, "Version of this file.", low=SCHEMA, high=SCHEMA)
    layout: str | None = setting(None, "A shipped layout (see `trad-array layouts list`) or a layout file.")
    temperature_c: float | None = setting(None, "Temperature of the air, degrees Celsius; without it the layout's.")
    site: str | None = setting(None, "File that `trad-array learn` wrote; without it the shipped thresholds.")
    output: tuple[str, ...] = setting((), "Where messages go: json:-, json:FILE, exec:COMMAND.")
    scorer: ScorerSettings = section(ScorerSettings, "What scores the frames.")
    fuser: FuserSettings = section(FuserSettings, "How the channels are fused.")
    trigger: TriggerSettings = section(TriggerSettings, "Which stretches of sound are events.")
    localizer: LocalizerSettings = section(LocalizerSettings, "Which cell a sound came from.")
    source: SourceSettings = section(SourceSettings, "Where live sound comes from.")
    alarm: AlarmSettings = section(AlarmSettings, "Levels, latches and their times.")
    health: HealthSettings = section(HealthSettings, "When the array itself is at fault.")
    outputs: OutputSettings = section(OutputSettings, "How messages go out.")
    store: StoreSettings = section(StoreSettings, "Where events are kept, and for how long.")

    def __post_init__(self) -> None:
        if self.trigger.off > self.trigger.on:
            raise ConfigError(f"trigger.off: expected at most on = {self.trigger.on:g}, found {self.trigger.off:g}")
        if self.scorer.model is not None and self.scorer.use != "excess":
            raise ConfigError("scorer: expected use or model, found both")

    @property
    def model_name(self) -> str:
        """What events say about the scorer."""
        return self.scorer.model or self.scorer.use


# Settings that name files, which a configuration file names as seen from its own folder.
_PATHS = ("site", "scorer.model", "store.folder")


def read_config(path: Path) -> Config:
    """Settings of a file; relative paths in it are seen from its folder.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a key is unknown, of the wrong type or out of range.
    """
    config = read_settings(Config, read_table(path, name=str(path), error=ConfigError))
    beside = {name: _beside(path, value) for name in _PATHS if (value := _value(config, name)) is not None}
    for name in ("layout", "scorer.use", "fuser.use", "localizer.use"):
        value = _value(config, name)
        if value is not None and (value.endswith(".toml") or ".py:" in value):
            beside[name] = _beside(path, value)
    output = tuple(
        f"json:{_beside(path, text.removeprefix('json:'))}" if _is_json_file(text) else text for text in config.output
    )
    return changed(config, {**beside, "output": output})


def config_schema() -> dict[str, Any]:
    """JSON Schema of the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "trad-array.toml",
        **schema_of(Config),
    }


def config_text(config: Config) -> str:
    """The settings as a file that explains each of them."""
    return "# Settings of trad-array. What stands behind # is not set.\n\n" + toml_of(config)


def layout_of(config: Config) -> Layout:
    """The layout that the settings name.

    Raises
    ------
    ConfigError, LayoutError
        If they name none, or it cannot be used.
    """
    if config.layout is None:
        raise ConfigError("layout: missing, expected a shipped layout or a layout file (--layout, or the file's key)")
    return load_layout(config.layout)


def chain_of(config: Config, layout: Layout | None = None) -> Chain:
    """The chain that the settings ask for; of `layout`, when that is loaded already.

    Raises
    ------
    TradArrayError
        If a part does not exist, a file cannot be used, or the parts do not go together.
    """
    from trad_array.scoring import load_model

    layout = layout or layout_of(config)
    model = None if config.scorer.model is None else load_model(Path(config.scorer.model))
    own = None if model is not None or config.scorer.use == "excess" else make_scorer(config.scorer.use)
    chain = make_chain(
        layout,
        model=model,
        scorer=own,
        fuser=make_fuser(config.fuser.use),
        localizer=make_localizer(config.localizer.use),
        temperature_c=config.temperature_c,
    )
    wanted = config.trigger
    trigger = Trigger.for_features(
        chain.features,
        on=wanted.on,
        off=wanted.off,
        hold_s=wanted.hold_s,
        release_s=wanted.release_s,
        verify_s=wanted.verify_s,
    )
    chain = replace(chain.with_events(trigger), window=CutRule(window_s=config.localizer.window_s))
    return _with_site(chain, config.site)


def _with_site(chain: Chain, path: str | None) -> Chain:
    """The chain with what was learned on site, if a file was named."""
    if path is None:
        return chain
    from trad_array.site import apply_site, read_site

    return apply_site(read_site(Path(path)), chain, name=path)


def _value(config: Config, name: str) -> str | None:
    found: Any = config
    for part in name.split("."):
        found = getattr(found, part)
    return None if found is None else str(found)


def _is_json_file(output: str) -> bool:
    return output.startswith("json:") and output not in ("json:", "json:-")


def _beside(path: Path, name: str) -> str:
    return str(path.parent / name)
