"""Licences of the packages that are needed at run time: known, allowed, and on their page."""

from __future__ import annotations

import pytest

from tools.licences import EXCEPTIONS, LOCK, PAGE, is_allowed, licences, locked, page, stated


def test_every_locked_package_has_a_licence_that_may_be_used_and_is_on_the_page() -> None:
    packages = locked(LOCK.read_text())
    assert len(packages) > 50
    assert PAGE.read_text() == page(licences(packages))


def test_an_exception_is_needed() -> None:
    assert [one for one in EXCEPTIONS if is_allowed(stated(one))] == []


def test_a_package_whose_licence_is_unknown_or_not_allowed_is_refused() -> None:
    with pytest.raises(ValueError, match="no-such-package: 'not installed' may not be used"):
        licences(["no-such-package"])
    assert not is_allowed("GNU General Public License v3 (GPLv3)")
    assert not is_allowed("CC-BY-SA-4.0 AND MIT")
