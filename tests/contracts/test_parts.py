"""Every shipped part keeps the contract; a new line in the registries is covered without an edit here."""

import pytest

from trad_array.plugins import FUSERS, LOCALIZERS, SCORERS, make_fuser, make_localizer, make_scorer
from trad_array.testing import check_fuser, check_localizer, check_scorer


@pytest.mark.parametrize("name", SCORERS)
def test_scorers_keep_the_contract(name):
    check_scorer(make_scorer(name))


@pytest.mark.parametrize("name", FUSERS)
def test_fusers_keep_the_contract(name):
    check_fuser(make_fuser(name))


@pytest.mark.parametrize("name", LOCALIZERS)
def test_localizers_keep_the_contract(name):
    check_localizer(make_localizer(name))
