"""From settings to the parts of a watch: its source, its rules, what it keeps."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trad_array_cli.listening import ChainChoice

if TYPE_CHECKING:
    from trad_array.alarm.health import HealthRule
    from trad_array.alarm.outputs import Output
    from trad_array.alarm.retention import RetentionRule
    from trad_array.audio.captured import SoundSource
    from trad_array.config import StoreSettings
    from trad_array.events import Origin
    from trad_array.monitor.keeper import Keeper, Provenance
    from trad_array.monitor.moments import Replay
    from trad_array.monitor.watch import Watch

# Where a live watch keeps its events when nobody says otherwise.
DEFAULT_STORE = "trad-array-watch"


def source_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Where the sound comes from."""
    for option in (
        click.option(
            "--block-s",
            type=click.FloatRange(0.005, 1.0),
            metavar="S",
            help="Sound handed on at a time.  [default: 0.1]",
        ),
        click.option("--fast", is_flag=True, help="A recording as fast as the machine can, instead of in real time."),
        click.option("--dtype", type=click.Choice(["int16", "int32", "float32"]), help="Samples of card or raw input."),
        click.option(
            "--samplerate",
            "samplerate_hz",
            type=click.IntRange(8_000, 384_000),
            help="Of card or raw input.  [default: 48000]",
        ),
        click.option("--open-channels", type=click.IntRange(1, 64), help="Channels of card or raw input."),
        click.option("--input", "raw", metavar="raw:-|raw:FIFO", help="Raw interleaved samples from standard input."),
        click.option("--replay", metavar="RECORDING", help="Recording to play, named as for `localize`."),
        click.option("--device", metavar="NAME", help="Sound card, see `trad-array devices`."),
    ):
        function = option(function)
    return function


def open_source(
    choice: ChainChoice, *, replay: str | None, raw: str | None, fast: bool
) -> "tuple[SoundSource, Replay | None]":
    """The source that the settings name; for a clip of a watch, also what it needs to be heard as it was."""
    wanted = choice.config.source
    channels = wanted.channel_map or choice.layout.mic_channels
    if replay is not None:
        return _playback(choice, replay, wanted.channel_map, fast=fast, block_s=wanted.block_s)
    if raw is not None:
        return _raw(choice, raw, channels), None
    if wanted.device is None:
        raise click.UsageError("Missing option '--device', '--replay' or '--input'.")
    from trad_array.audio.capture_rule import CaptureFormat, RecoveryRule
    from trad_array.audio.sound_card import SoundCard

    form = CaptureFormat(
        samplerate_hz=wanted.samplerate_hz,
        dtype=wanted.dtype,
        open_channels=wanted.open_channels or max(channels),
        channel_map=tuple(channels),
        block_s=wanted.block_s,
    )
    card = SoundCard(wanted.device, form, n_mics=choice.layout.n_mics, rule=RecoveryRule(silent_s=wanted.silence_s))
    card.open()
    return card, None


def watch_of(choice: ChainChoice, source: "SoundSource", *, origin: "Origin | None") -> "Watch":
    """The watch over a source; `origin` when a clip is heard again."""
    from trad_array.alarm.clip import ClipRule
    from trad_array.alarm.limits import AlarmRule
    from trad_array.audio.to_rate import ToRate
    from trad_array.events import Origin
    from trad_array.monitor.watch import Watch

    config, chain, layout = choice.config, choice.chain(), choice.layout
    return Watch(
        chain=chain,
        rate=ToRate(source.fs, chain.features.fs),
        origin=origin or Origin(source.name, choice.model_name),
        health=health_of(choice),
        alarm=AlarmRule(
            off_s=config.alarm.off_s,
            sounds_again_s=config.alarm.sound_again_h * 3600.0,
            disable_s=config.alarm.disable_h * 3600.0,
            test_s=config.alarm.test_min * 60.0,
            cells=layout.cell_names,
            mics=layout.mic_names,
            outputs=config.output,
        ),
        clips=ClipRule(before_s=config.store.pre_roll_s, longest_s=config.store.max_clip_s),
        heartbeat_s=config.alarm.heartbeat_s,
    )


def health_of(choice: ChainChoice) -> "HealthRule":
    """Limits of the supervision of the array."""
    from trad_array.alarm.health import HealthRule

    free_bytes = round(choice.config.store.free_gb * 1e9)
    wanted = choice.config.health
    return HealthRule(
        mics=choice.layout.mic_names,
        learn_minutes=wanted.learn_minutes,
        quieter_db=wanted.quieter_db,
        louder_db=wanted.louder_db,
        differs_db=wanted.differs_db,
        queued_s=wanted.queued_s,
        drift_ppm=wanted.drift_ppm,
        free_bytes=free_bytes,
        free_ok_bytes=round(1.2 * free_bytes),
    )


def open_outputs(choice: ChainChoice) -> "tuple[Output, ...]":
    """Outputs of a watch; raises `ConfigError` when one cannot be used."""
    from trad_array.alarm.outputs import make_output

    wanted = choice.config.outputs
    return tuple(
        make_output(
            text,
            rotate_bytes=round(wanted.rotate_mb * 1e6),
            rotate_files=wanted.rotate_files,
            limit_s=wanted.exec_limit_s,
        )
        for text in choice.config.output
    )


def open_keeper(choice: ChainChoice, watch: "Watch", outputs: "tuple[Output, ...]") -> "Keeper":
    """Store, outputs and evidence of a watch; raises `StoreError` when the folder cannot be used."""
    from trad_array.alarm.outputs.dispatch import Dispatcher
    from trad_array.alarm.store import Store
    from trad_array.monitor.keeper import Keeper

    store = Store(Path(str(choice.config.store.folder)))
    return Keeper(
        store,
        Dispatcher(store, outputs),
        provenance=_provenance(choice),
        retention=_retention(choice.config.store),
        health=watch.health,
    )


def _retention(wanted: "StoreSettings") -> "RetentionRule":
    from trad_array.alarm.retention import ClassRule, RetentionRule

    usual = RetentionRule()
    return RetentionRule(
        alarm=ClassRule(wanted.alarm_days, usual.alarm.least),
        alert=ClassRule(wanted.alert_days, usual.alert.least),
        report=ClassRule(wanted.report_days, usual.report.least),
        ceiling_bytes=round(wanted.ceiling_gb * 1e9),
    )


def _provenance(choice: ChainChoice) -> "Provenance":
    """What the evidence says of how it was heard: layout, settings, digests of what stays outside."""
    import hashlib
    from dataclasses import asdict

    from trad_array.config import config_text
    from trad_array.monitor.keeper import Provenance
    from trad_array.settings import changed
    from trad_array_geometry import layout_path

    named = {"model": choice.config.scorer.model, "site": choice.config.site}
    hashes = {}
    for name, path in named.items():
        if path is not None:
            with open(path, "rb") as file:
                hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    # Who hears a clip again must not write where the watch writes, nor tell whom it tells.
    settings = changed(choice.config, {"layout": "layout.toml", "store.folder": None, "output": ()})
    return Provenance(
        layout_toml=layout_path(str(choice.config.layout)).read_text(encoding="utf-8"),
        config=asdict(choice.config),
        hashes=hashes,
        extra={"trad-array.toml": config_text(settings).encode()},
    )


def _playback(
    choice: ChainChoice, replay: str, channel_map: tuple[int, ...], *, fast: bool, block_s: float
) -> "tuple[SoundSource, Replay | None]":
    from trad_array.alarm.clip_file import read_gaps
    from trad_array.audio.files import find_source
    from trad_array.audio.playback import Playback
    from trad_array.errors import ConfigError
    from trad_array.monitor.moments import FILE_NAME, read_replay

    folder = Path(replay).parent
    is_clip = Path(replay).name.startswith("clip.") and (folder / FILE_NAME).is_file()
    earlier = read_replay(folder / FILE_NAME) if is_clip else None
    if earlier is not None and earlier.layout != choice.layout.id:
        raise ConfigError(f"{replay}: expected layout {earlier.layout} as it was heard with, found {choice.layout.id}")
    # A clip has one channel for each microphone, in the order of the layout.
    channels = range(1, choice.layout.n_mics + 1) if earlier else choice.layout.mic_channels
    files = find_source(replay, channels=tuple(channels), channel_map=channel_map or None)
    if earlier is None:
        return Playback(files, in_real_time=not fast, block_s=block_s), None
    gaps = read_gaps(folder)
    return Playback(files, in_real_time=not fast, block_s=block_s, first=earlier.clip_start, gaps=gaps), earlier


def _raw(choice: ChainChoice, text: str, channels: tuple[int, ...]) -> "SoundSource":
    from trad_array.audio.raw_input import RawFormat, open_raw

    wanted = choice.config.source
    form = RawFormat(
        samplerate_hz=wanted.samplerate_hz,
        encoding={"int16": "s16le", "int32": "s32le", "float32": "f32le"}[wanted.dtype],
        open_channels=wanted.open_channels or max(channels),
        channel_map=channels,
        block_s=wanted.block_s,
    )
    return open_raw(text, format=form, n_mics=choice.layout.n_mics)
