"""docs/alarms.md says what the program says."""

from pathlib import Path

from trad_array.alarm.fault_table import fault_table
from trad_array.alarm.limits import AlarmRule
from trad_array.alarm.state import ACTIONS

PAGE = Path(__file__).parents[2] / "docs" / "alarms.md"


def rows(first):
    """Cells of the lines of a table whose first heading is given."""
    lines = PAGE.read_text().splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith(f"| {first} |"))
    table = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return table
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return table


def test_the_table_of_faults_is_the_programs():
    expected = [
        [
            f"`{kind.code}`",
            kind.says,
            f"{kind.after_s:g} s",
            f"{kind.restored_s:g} s",
            f"{kind.limit_s:g} s",
            "supervisory" if kind.supervisory else "fault",
            kind.note,
        ]
        for kind in fault_table()
    ]
    assert rows("code") == expected


def test_the_table_of_actions_names_all_and_their_limits():
    table = {row[0].strip("`"): row[1] for row in rows("action")}
    assert tuple(table) == ACTIONS
    rule = AlarmRule()
    assert f"for {rule.disable_s / 3600:g} h" in table["disable"]
    assert f"{rule.disable_most_s / 86_400:g} days at most" in table["disable"]
    assert f"for {rule.test_s / 60:g} min" in table["test"]
    assert f"{rule.test_most_s / 3600:g} h at most" in table["test"]
    text = PAGE.read_text()
    assert f"falls back {rule.off_s:g} s after it has ended" in text
    assert f"sounds again after {rule.sounds_again_s / 3600:g} h" in text
