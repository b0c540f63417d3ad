"""Known issues of the data."""

from jasco.data.known_issues import known_issues, repetitions
from jasco.protocol.clips import Clip


def clip(id_: str, sound: str = "rain", keywords: str = "flee") -> Clip:
    return Clip(id_, sound, "run", "a", "b", "c", keywords)


def test_other_data_have_no_known_issues() -> None:
    assert known_issues([clip("20"), clip("79")]) == ()


def test_shared_labels_are_counted() -> None:
    clips = [clip("1"), clip("2"), clip("3", "wind", "fly"), clip("4", "wind", "x")]
    assert list(repetitions(clips)) == [
        "2 sound labels belong to more than one clip",
        "1 keyword label belongs to more than one clip",
    ]
    assert list(repetitions(clips[1:3])) == []
