"""A recording shows what a command wrote, and nothing else."""

from __future__ import annotations

import subprocess
from xml.etree import ElementTree

import pytest

from tools.recording import ROWS, Chunk, Screen, picture, record, states


def words(svg: str) -> list[str]:
    return [one.text or "" for one in ElementTree.fromstring(svg).iter() if one.tag.endswith("text")]


def test_what_is_written_over_is_gone() -> None:
    screen = Screen()
    screen.feed("\x1b[?25lone\r\ntwo\r\nthree\r\x1b[2K\x1b[1A\x1b[2Kfour")
    assert screen.lines == ["one", "four", ""]


def test_states_are_those_at_the_end_of_each_stretch_and_the_last() -> None:
    chunks = [Chunk(0.1, "a"), Chunk(1.0, "b"), Chunk(2.5, "\r\nc"), Chunk(7.0, ""), Chunk(9.0, "d")]
    assert [(state.at, state.lines) for state in states(chunks, every=2.0)] == [
        (0.0, ("ab",)),
        (2.0, ("ab", "c")),
        (8.0, ("ab", "cd")),
    ]


def test_a_long_state_shows_its_end() -> None:
    (state,) = states([Chunk(0.0, "\r\n".join(map(str, range(100))))])
    assert state.lines == tuple(map(str, range(100 - ROWS, 100)))


def test_the_picture_has_every_state_in_its_colours_and_says_how_fast_it_plays() -> None:
    shown = list(
        states([Chunk(0.0, "\x1b[1;31mlost\x1b[0m & \x1b[30;43mSIMULATED\x1b[0m"), Chunk(40.0, " back")])
    )
    svg = picture(shown, "netdusk demo", 60.0)
    assert words(svg) == [*["lost", " &", "SIMULATED"], *["lost", " &", "SIMULATED", " back"], words(svg)[-1]]
    assert words(svg)[-1].startswith("$ netdusk demo   (60 s, played 60 times as fast)")
    assert svg.count("<rect") == 3  # the ground, and one behind each mark
    assert svg.count('font-weight="700"') == 2


def test_a_command_is_recorded_as_a_terminal_has_it() -> None:
    chunks = record(["printf", "one\\ntwo"])
    assert "".join(chunk.text for chunk in chunks) == "one\r\ntwo"
    with pytest.raises(subprocess.CalledProcessError):
        record(["false"])


def test_nothing_is_no_picture() -> None:
    with pytest.raises(ValueError, match="wrote nothing"):
        picture([], "true", 0.0)
