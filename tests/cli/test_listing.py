"""What can be named: models, judges and their options."""

from command import Jasco


def test_models_and_judges_list_what_can_be_named(jasco: Jasco) -> None:
    models, judges = jasco("models"), jasco("judges")
    assert (models.status, judges.status) == (0, 0)
    for name in ("csv/RESPONSES.csv", "openai/MODEL", "python/module:function", "base_url="):
        assert name in models.stdout
    for name in (
        "csv/JUDGED.csv",
        "openai/MODEL",
        "max_tokens=...  maximum tokens of an answer (default 1000)",
    ):
        assert name in judges.stdout
