"""What `localize`, `monitor` and `demo` have in common: options to a chain, recordings to events."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trad_array_cli.options import channel_map_option, layout_option, model_option, temperature_option
from trad_array_cli.report import say

if TYPE_CHECKING:
    from trad_array.chain import Chain
    from trad_array_geometry import Layout

DETECT, WHOLE = "detect", "whole"


def chain_options(function: Callable[..., int]) -> Callable[..., int]:
    """Options that say what the chain is made of; the command gets them together, as `choice`."""

    @wraps(function)
    def command(
        *,
        layout_name: str,
        model_path: Path | None,
        scorer: str | None,
        fuser: str,
        localizer: str,
        temperature_c: float | None,
        release_s: float,
        window_s: float,
        **others: Any,  # click's: the options that the command has beside these
    ) -> int:
        from trad_array_geometry import load_layout

        layout = load_layout(layout_name)
        choice = ChainChoice(layout, model_path, scorer, fuser, localizer, temperature_c, release_s, window_s)
        return function(choice=choice, **others)

    for option in (
        channel_map_option(),
        temperature_option(),
        click.option(
            "--window-s",
            type=click.FloatRange(0.05, 10.0),
            default=1.0,
            show_default=True,
            metavar="S",
            help="Seconds from the onset on that the localizer hears of a detected event.",
        ),
        click.option(
            "--release-s",
            type=click.FloatRange(0.05, 60.0),
            default=2.0,
            show_default=True,
            metavar="S",
            help="Quiet seconds that end an event; shorter tells clicks in quick succession apart.",
        ),
        click.option(
            "--localizer",
            default="robust",
            show_default=True,
            metavar="NAME|FILE.py:CLASS",
            help="Which localizer maps a detection.",
        ),
        click.option(
            "--fuser",
            default="k-of-n",
            show_default=True,
            metavar="NAME|FILE.py:CLASS",
            help="How channels are fused: k-of-n, median, top-k-mean, or your own.",
        ),
        click.option("--scorer", metavar="NAME|FILE.py:CLASS", help="Scorer without a model file, e.g. your own."),
        model_option(),
        layout_option(),
    ):
        command = option(command)
    return command


# Layouts with more cells are not checked at every start.
_CHECKED_CELLS = 500


@dataclass(frozen=True, slots=True)
class ChainChoice:
    """What a person chose with `chain_options`."""

    layout: "Layout"
    model_path: Path | None
    scorer: str | None
    fuser: str
    localizer: str
    temperature_c: float | None
    release_s: float
    window_s: float

    @property
    def model_name(self) -> str:
        """What events say about the scorer."""
        return str(self.model_path) if self.model_path else self.scorer or "excess"

    def chain(self) -> "Chain":
        """The chain of these parts; raises errors of the library about names and files that do not fit."""
        from trad_array.chain import make_chain
        from trad_array.detection.trigger import Trigger
        from trad_array.localization.cut import CutRule
        from trad_array.plugins import make_fuser, make_localizer, make_scorer
        from trad_array.scoring import load_model

        if self.model_path and self.scorer:
            raise click.UsageError("expected --model or --scorer, found both")
        _warn_of_alike_cells(self.layout)
        own = self.scorer not in (None, "excess")
        chain = make_chain(
            self.layout,
            model=load_model(self.model_path) if self.model_path else None,
            scorer=make_scorer(str(self.scorer)) if own else None,
            fuser=make_fuser(self.fuser),
            localizer=make_localizer(self.localizer),
            temperature_c=self.temperature_c,
        )
        chain = chain.with_events(Trigger.for_features(chain.features, release_s=self.release_s))
        return replace(chain, window=CutRule(window_s=self.window_s))


def site_option(function: Callable[..., int]) -> Callable[..., int]:
    """`--site`: thresholds and calibration that `trad-array learn` found."""
    return click.option(
        "--site",
        "site_path",
        type=click.Path(path_type=Path),
        metavar="FILE.toml",
        help="What `trad-array learn` found on site; without it the shipped thresholds.",
    )(function)


def with_site(chain: "Chain", site_path: Path | None) -> "Chain":
    """The chain with what was learned on site, if a file was named."""
    if site_path is None:
        return chain
    from trad_array.site import apply_site, read_site

    return apply_site(read_site(site_path), chain, name=str(site_path))


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
