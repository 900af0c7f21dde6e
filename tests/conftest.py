"""What holds for every test."""

from __future__ import annotations

import pytest
from hypothesis import settings

# A property says what is true, not how long it takes: on a busy machine any example may be slow.
settings.register_profile("xetrade", deadline=None)
settings.load_profile("xetrade")

#: the group whose tests take longest one after the other: whoever runs it begins with it
LONGEST = "dagster deployment"
_SHARED = ("package", "module")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What shares a process of a module or a directory goes to one worker: each would start a process of its own.

    Tests that stand alone come last, when they fill what the groups have left over.
    """
    if not hasattr(config, "workerinput"):
        return
    groups = {item: _group(item) for item in items}
    for item, group in groups.items():
        if group and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: (groups[item] != LONGEST, groups[item] is None))


def _group(item: pytest.Item) -> str | None:
    """The group of a test's mark, or else the place of the widest fixture that it shares; None: it stands alone."""
    if mark := item.get_closest_marker("xdist_group"):
        return str(mark.args[0])
    found = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined]
    shared = [(_SHARED.index(one[-1].scope), one[-1].baseid) for one in found if one[-1].scope in _SHARED]
    return min(shared)[1] if shared else None
