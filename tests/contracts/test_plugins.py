"""A part of one's own, from one file; and what is said when it does not fit."""

from pathlib import Path

import pytest

from trad_array.errors import ConfigError
from trad_array.plugins import make_fuser, make_scorer
from trad_array.testing import check_fuser, check_localizer, check_scorer

EXAMPLE = Path(__file__).parents[2] / "examples" / "kurtosis.py"


def test_the_example_is_a_scorer():
    check_scorer(make_scorer(f"{EXAMPLE}:Kurtosis"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("exces", "expected one of excess, file.py:Class or module:Class, found 'exces'"),
        ("nowhere.py:Scorer", "expected a Python file, found none"),
        ("no_such_module:Scorer", "cannot be imported"),
        (f"{EXAMPLE}:Missing", "expected a class 'Missing'"),
        ("trad_array.detection.fusion:KOfN", "expected the members of FrameScorer"),
        ("trad_array.scoring.gaussian:Gaussian", "expected a class that needs no arguments"),
    ],
)
def test_names_that_lead_nowhere_are_said(name, message):
    with pytest.raises(ConfigError, match=message) as trouble:
        make_scorer(name)
    assert "\n" not in str(trouble.value)


def test_a_file_that_raises_is_said(tmp_path):
    (tmp_path / "broken.py").write_text("raise RuntimeError('no')")
    with pytest.raises(ConfigError, match="broken.py: cannot be imported: RuntimeError: no"):
        make_fuser(f"{tmp_path}/broken.py:Fuser")


def test_the_checks_catch_parts_that_break_the_rules():
    scorer = make_scorer("excess")

    class Neighbourly:
        features, context = scorer.features, 1

        def score(self, log_mel):
            scores = scorer.score(log_mel)
            return scores - scores.mean(axis=1, keepdims=True)

    class Deaf:
        def __call__(self, scores, live):
            from trad_array.detection.fusion import KOfN

            return KOfN()(scores, live | True)

    class Backwards:
        def __call__(self, cut, layout, *, speed_of_sound):
            from trad_array.localization.cells import Cells

            return Cells()(cut, layout.with_mics(range(layout.n_mics)[::-1]), speed_of_sound=speed_of_sound)

    with pytest.raises(AssertionError, match="batches"):
        check_scorer(Neighbourly())
    with pytest.raises(AssertionError, match="dead channels"):
        check_fuser(Deaf())
    with pytest.raises(AssertionError, match="expected R1C"):
        check_localizer(Backwards())
