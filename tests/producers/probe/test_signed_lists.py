"""Targets files that their author has signed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from producers.bundles import new_key
from producers.probe.signed_lists import (
    SignatureError,
    Signed,
    check_newest,
    remember,
    signature_of,
    signer_of,
)
from streams.commands.targets import app
from streams.errors import SettingsError
from streams.local.probing import targets_of
from streams.settings import ProbeSettings

LIST = b'[[target]]\nplatform = "x"\nurl = "https://x.com/"\n'
PRIVATE, PUBLIC = new_key()
OTHER_PRIVATE, OTHER_PUBLIC = new_key()
AT = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
GOOD = signature_of(LIST, PRIVATE, AT)


def test_whose_list_it_is() -> None:
    assert signer_of(LIST, GOOD, [OTHER_PUBLIC, PUBLIC]) == (PUBLIC, AT)


@pytest.mark.parametrize(
    ("content", "signature", "why"),
    [
        (LIST + b"\n", GOOD, "not as it was signed"),
        (LIST, signature_of(LIST, OTHER_PRIVATE, AT), "whose lists do not count"),
        (LIST, GOOD.replace(b"targets/2", b"targets/1"), "of another kind"),
        (LIST, GOOD.replace(b"2026-11-27", b"2027-11-27"), "not as it was signed"),
        (LIST, GOOD.replace(b"2026-11-27", b"2026-13-27"), "damaged"),
        (LIST, GOOD[:-20], "damaged|not as it was signed"),
        (LIST, b"\xff\xfe", "damaged"),
        (LIST, b"", "damaged"),
        (
            LIST,
            signature_of(LIST, OTHER_PRIVATE, AT).replace(OTHER_PUBLIC.encode(), PUBLIC.encode()),
            "not as",
        ),
    ],
)
def test_what_does_not_count(content: bytes, signature: bytes, why: str) -> None:
    with pytest.raises(SignatureError, match=why):
        signer_of(content, signature, [PUBLIC])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    file, key = tmp_path / "targets.toml", tmp_path / "key"
    file.write_bytes(LIST)
    key.write_text(PRIVATE + "\n")
    return file, key


def _asked(file: Path, *keys: str) -> list[str]:
    return [target.url for target in targets_of(ProbeSettings(targets=file, targets_keys=keys)).target]


def test_a_vantage_asks_by_a_signed_list_alone(files: tuple[Path, Path]) -> None:
    file, key = files
    with pytest.raises(SettingsError, match=r"targets.toml.sig: No such file.*netdusk targets sign"):
        _asked(file, PUBLIC)
    signed = CliRunner().invoke(app, ["sign", str(file), "--key", str(key)])
    assert (signed.exit_code, signed.stdout) == (0, f"{file}.sig: signed by {PUBLIC}\n")
    verified = CliRunner().invoke(app, ["verify", str(file), "--key", PUBLIC])
    assert verified.exit_code == 0
    assert verified.stdout.startswith(f"good; signed by {PUBLIC} on 20")
    assert _asked(file, PUBLIC) == ["https://x.com/"]
    file.write_bytes(LIST.replace(b"x.com", b"y.com"))
    assert _asked(file) == ["https://y.com/"]
    with pytest.raises(SettingsError, match="not as it was signed"):
        _asked(file, PUBLIC)


def test_no_older_list_is_taken_than_the_newest_that_was_asked_by(tmp_path: Path) -> None:
    kept, later = tmp_path / "lists", AT + timedelta(seconds=1)
    check_newest(Signed(PUBLIC, AT), kept)
    for signed in (Signed(PUBLIC, later), Signed(PUBLIC, AT), Signed(OTHER_PUBLIC, AT)):
        remember(signed, kept, later)
    check_newest(Signed(PUBLIC, later), kept)
    check_newest(Signed(OTHER_PUBLIC, AT), kept)
    assert kept.stat().st_mode & 0o077 == 0
    with pytest.raises(
        SignatureError,
        match="12:00:00Z, and this vantage has asked by one of 2026-11-27T12:00:01Z",
    ):
        check_newest(Signed(PUBLIC, AT), kept)
    kept.write_text("[]")
    with pytest.raises(SignatureError, match="delete it"):
        check_newest(Signed(PUBLIC, AT), kept)


def test_a_vantage_refuses_a_list_that_is_played_back(files: tuple[Path, Path], tmp_path: Path) -> None:
    file, _ = files
    signature, spool = Path(f"{file}.sig"), tmp_path / "spool"
    spool.mkdir()
    signature.write_bytes(GOOD)
    probe = ProbeSettings(targets=file, targets_keys=(PUBLIC,), spool=spool)
    assert targets_of(probe).target
    remember(Signed(PUBLIC, AT + timedelta(days=1)), spool / "lists", AT + timedelta(days=1))
    with pytest.raises(SettingsError, match=r"targets\.toml: it was signed on 2026-11-27"):
        targets_of(probe)


def test_the_list_that_comes_with_netdusk_needs_none() -> None:
    assert targets_of(ProbeSettings(targets_keys=(PUBLIC,))).target


def test_no_list_is_signed_that_no_vantage_takes(files: tuple[Path, Path]) -> None:
    file, key = files
    file.write_bytes(LIST.replace(b"https://x.com", b"https://10.0.0.1"))
    told = CliRunner().invoke(app, ["sign", str(file), "--key", str(key)])
    assert "no public service" in str(told.exception)
    assert not Path(f"{file}.sig").exists()


def test_a_list_that_was_signed_ahead_of_time_keeps_no_later_one_out(tmp_path: Path) -> None:
    """Its author's clock was years ahead; the list that he signs the next day, by the right time, is newer."""
    kept = tmp_path / "lists"
    remember(Signed(PUBLIC, AT + timedelta(days=4000)), kept, AT)
    check_newest(Signed(PUBLIC, AT + timedelta(days=1)), kept)
    with pytest.raises(SignatureError, match="fetch the newest list"):
        check_newest(Signed(PUBLIC, AT - timedelta(days=1)), kept)
