"""What `localize`, `monitor` and `demo` have in common: options to a chain, recordings to events."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trad_array_cli.options import channel_map_option, config_option, layout_option, model_option, temperature_option
from trad_array_cli.report import say

if TYPE_CHECKING:
    from trad_array.chain import Chain
    from trad_array.config import Config
    from trad_array_geometry import Layout

DETECT, WHOLE = "detect", "whole"


def chain_options(function: Callable[..., int]) -> Callable[..., int]:
    """Options that say what the chain is made of; the command gets them together, as `choice`."""

    @wraps(function)
    def command(
        *,
        config_path: Path | None,
        layout_name: str | None,
        model_path: Path | None,
        scorer: str | None,
        fuser: str | None,
        localizer: str | None,
        temperature_c: float | None,
        release_s: float | None,
        window_s: float | None,
        **others: Any,  # click's: the options that the command has beside these
    ) -> int:
        if model_path and scorer:
            raise click.UsageError("expected --model or --scorer, found both")
        given: dict[str, Any] = {
            "layout": layout_name,
            "scorer.use": "excess" if model_path else scorer,
            "fuser.use": fuser,
            "localizer.use": localizer,
            "temperature_c": temperature_c,
            "trigger.release_s": release_s,
            "localizer.window_s": window_s,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        if model_path or scorer:
            changes["scorer.model"] = str(model_path) if model_path else None
        return function(choice=_choice(config_path, changes), **others)

    for option in (
        channel_map_option(),
        temperature_option(),
        click.option(
            "--window-s",
            type=click.FloatRange(0.05, 10.0),
            metavar="S",
            help="Seconds from the onset on that the localizer hears of a detected event.  [default: 1.0]",
        ),
        click.option(
            "--release-s",
            type=click.FloatRange(0.05, 60.0),
            metavar="S",
            help="Quiet seconds that end an event; shorter tells clicks in quick succession apart.  [default: 2.0]",
        ),
        click.option(
            "--localizer",
            metavar="NAME|FILE.py:CLASS",
            help="Which localizer maps a detection.  [default: robust]",
        ),
        click.option(
            "--fuser",
            metavar="NAME|FILE.py:CLASS",
            help="How channels are fused: k-of-n, median, top-k-mean, or your own.  [default: k-of-n]",
        ),
        click.option("--scorer", metavar="NAME|FILE.py:CLASS", help="Scorer without a model file, e.g. your own."),
        model_option(),
        layout_option(required=False),
        config_option(),
    ):
        command = option(command)
    return command


# Layouts with more cells are not checked at every start.
_CHECKED_CELLS = 500


@dataclass(frozen=True, slots=True)
class ChainChoice:
    """What a person chose with `chain_options`: the file's settings with those of the command line over them."""

    config: "Config"
    layout: "Layout"

    @property
    def model_name(self) -> str:
        """What events say about the scorer."""
        return self.config.model_name

    def with_changes(self, changes: Mapping[str, Any]) -> "ChainChoice":
        """The choice with further settings, named with dots, those that are None left alone."""
        from trad_array.settings import changed

        return replace(self, config=changed(self.config, {k: v for k, v in changes.items() if v is not None}))

    def with_source(
        self,
        *,
        channel_map: tuple[int, ...] | None,
        device: str | None,
        replay: str | None,
        raw: str | None,
        open_channels: int | None,
        samplerate_hz: int | None,
        dtype: str | None,
        block_s: float | None,
        fast: bool,
    ) -> "ChainChoice":
        """The choice with what `watch_setup.source_options` asked for; only one source may be named."""
        if sum(name is not None for name in (device, replay, raw)) > 1:
            raise click.UsageError("expected one of --device, --replay and --input, found several")
        if fast and replay is None:
            raise click.UsageError("--fast: expected --replay with it, found none")
        return self.with_changes(
            {
                "source.device": device,
                "source.samplerate_hz": samplerate_hz,
                "source.dtype": dtype,
                "source.open_channels": open_channels,
                "source.channel_map": channel_map,
                "source.block_s": block_s,
            }
        )

    def with_site(self, path: Path | None) -> "ChainChoice":
        """The choice with what was learned on site, if a file was named."""
        return self.with_changes({"site": None if path is None else str(path)})

    def chain(self) -> "Chain":
        """The chain of these parts; raises errors of the library about names and files that do not fit."""
        from trad_array.config import chain_of

        _warn_of_alike_cells(self.layout)
        return chain_of(self.config, self.layout)


def _choice(config_path: Path | None, changes: Mapping[str, Any]) -> ChainChoice:
    """The settings of a file, if one was named, and over them those of the command line."""
    from trad_array.config import Config, layout_of, read_config
    from trad_array.settings import changed

    if config_path is None and "layout" not in changes:
        raise click.UsageError("Missing option '--layout'.")
    config = changed(Config() if config_path is None else read_config(config_path), changes)
    return ChainChoice(config, layout_of(config))


def site_option(function: Callable[..., int]) -> Callable[..., int]:
    """`--site`: thresholds and calibration that `trad-array learn` found."""
    return click.option(
        "--site",
        "site_path",
        type=click.Path(path_type=Path),
        metavar="FILE.toml",
        help="What `trad-array learn` found on site; without it the shipped thresholds.",
    )(function)


def _warn_of_alike_cells(layout: "Layout") -> None:
    """Say so when the array cannot tell some of its cells apart; a large layout would take a second each time."""
    from trad_array_geometry.check import check_layout

    if layout.n_cells > _CHECKED_CELLS:
        return
    found = check_layout(layout)
    if found.alike:
        say(f"{layout.id}: {found.sentence}")


def with_progress(blocks: Iterator[Any], *, total_s: float, label: str) -> Iterator[Any]:
    """Pass blocks on; where a person watches standard error and it takes a while, show how far it is."""
    if total_s < 60 or not sys.stderr.isatty():
        yield from blocks
        return
    with click.progressbar(length=max(1, round(total_s)), label=label, file=sys.stderr) as bar:
        for block in blocks:
            yield block
            bar.update(round(block.end / block.fs) - bar.pos)
