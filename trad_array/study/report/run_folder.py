"""What a run left in its folder, as the report wants it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from trad_array.study.choice_layout import choice_layout
from trad_array.study.records import Choice, Study
from trad_array.study.report.scores import Heard, Score, Table, at_common_points, best_first, heard, scores, whole
from trad_array.study.running import read_run
from trad_array_geometry import Layout


@dataclass(frozen=True, eq=False)
class Found:
    """A study and what came of it.

    study : what was asked
    table : the tidy table, columns by name
    versions : of Python and of packages, by their names
    """

    study: Study
    table: Table
    versions: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def scores(self) -> list[Score]:
        """Localization, all engines and lost microphones."""
        return scores(self.table)

    @cached_property
    def compared(self) -> list[Score]:
        """Scores of both engines: rows of their own, or of localization where some conditions were computed twice."""
        return scores(self.table, measure="agreement") or self.scores

    @cached_property
    def whole(self) -> list[Score]:
        """Of the study's engine, nothing lost."""
        found = whole(self.scores, self.study.engine)
        return found or [score for score in self.scores if not score.dead]

    @cached_property
    def comparable(self) -> list[Score]:
        """Of these, the conditions that all layouts have."""
        return at_common_points(self.whole)

    @cached_property
    def best(self) -> list[str]:
        """Names of the layouts, best first."""
        return best_first(self.whole)

    @cached_property
    def heard(self) -> list[Heard]:
        """Detection."""
        return heard(self.table)

    @property
    def reference(self) -> str:
        """Name of the layout at which loudness is meant."""
        return self.study.choices[0].name

    def of(self, layout: str) -> list[Score]:
        """Comparable scores of one layout."""
        return [score for score in self.comparable if score.layout == layout]

    def layout(self, name: str) -> Layout | None:
        """A layout of the study by its name, to be drawn; None when the study has no such choice."""
        choice = self._choices.get(name)
        return None if choice is None else choice_layout(self.study.site, self.study.points, choice)

    @cached_property
    def _choices(self) -> dict[str, Choice]:
        return {choice.name: choice for choice in self.study.choices}


def read_found(folder: Path) -> Found:
    """What is in a run folder.

    Raises
    ------
    StoreError
        If it is no run folder, or has no results yet.
    ConfigError
        If what is in it cannot be read.
    MissingExtra
        If the table is Parquet and pyarrow is not installed.
    """
    run = read_run(folder)
    return Found(run.study, run.table.columns, run.versions)
