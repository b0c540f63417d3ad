"""Errors in the user's input: one line that names the place and the remedy."""

import csv
import io
import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from command import Jasco, error_line
from jasco.data.dataset import read_data_set
from labelled_files import write_gold
from prompts import INSTRUCTIONS
from synthetic import make_data, read_annotations, tone, write_wav

GOOD = "Rating: 2\nOrientation: Both"
Rows = list[dict[str, str]]


class Workspace:
    """A folder with a small data set, a model and judged CSV files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = make_data(folder / "data", clips=2)
        self.run = folder / "run"
        (folder / "mine.py").write_text(
            "def answer(audios, rate, prompts): return [str(len(a) * a.any()) for a in audios]\n"
            "def other(audios, rate, prompts): return prompts\n"
        )
        self.model = f"python/{folder / 'mine.py'}:answer"

    def wav(self, number: int = 1) -> Path:
        return self.data / "dataset" / "v0" / f"{number}.wav"

    @property
    def v0(self) -> Path:
        return self.data / "dataset" / "v0" / "v0.csv"

    def change_v0(self, change: Callable[[str], str | bytes]) -> None:
        content = change(self.v0.read_text("utf-8"))
        self.v0.write_bytes(content if isinstance(content, bytes) else content.encode())

    def respond(self, model: str = "", data: object = None, run: object = None) -> list[object]:
        command = ["respond", model or self.model, "--data", data or self.data]
        return [*command, "--run", run or self.run]

    def template(self) -> list[object]:
        return ["data", "template", self.data, "-o", self.folder / "template.csv"]

    def judged_csv(
        self, change: Callable[[Rows], Rows] = lambda rows: rows, name: str = "judged.csv"
    ) -> Path:
        """Write a responses CSV with verdicts."""
        rows = [
            {
                "id": clip["audio_id"],
                "audio_sound": clip["Audio"],
                "spoken_text": clip["Speech"],
                "prompt": instruction,
                "audio_only_target": clip["Audio-Only Answer"],
                "speech_only_target": clip["Speech-Only Answer"],
                "target_keywords": clip["Correct Answer Keyword"],
                "tgt_text": clip["Correct Answer"],
                "allm_output": "4000",
                "judge_output": GOOD,
            }
            for clip in read_annotations(self.data)
            for instruction in INSTRUCTIONS
        ]
        path = self.folder / name
        rows = change(rows)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    def write_database(self, application: int, version: int) -> None:
        self.run.mkdir()
        connection = sqlite3.connect(self.run / "run.db")
        connection.executescript(
            f"CREATE TABLE x (y); PRAGMA application_id={application};"
            f"PRAGMA user_version={version};"
        )
        connection.close()


def without(column: str) -> Callable[[Rows], Rows]:
    return lambda rows: [{k: v for k, v in row.items() if k != column} for row in rows]


def with_cells(index: int, **cells: str) -> Callable[[Rows], Rows]:
    return lambda rows: [row | cells if n == index else row for n, row in enumerate(rows)]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


# --- one line, no traceback, the documented exit status ---

Arrange = Callable[[Workspace], Sequence[object]]
CASES: dict[str, tuple[int, list[str], Arrange]] = {}


def case(status: int, *parts: str) -> Callable[[Arrange], Arrange]:
    def register(arrange: Arrange) -> Arrange:
        CASES[arrange.__name__] = status, list(parts), arrange
        return arrange

    return register


@case(2, "nowhere", "no such folder", "watd", "mini")
def no_such_data_folder(workspace: Workspace) -> Sequence[object]:
    return workspace.respond(data=workspace.folder / "nowhere")


@case(2, "v0/dataset/v0/v0.csv", "did you mean ", "/data?")
def the_folder_inside_the_data_set(workspace: Workspace) -> Sequence[object]:
    return workspace.respond(data=workspace.v0.parent)


@case(2, "v0.csv", "column 'Speech' is missing")
def a_column_missing_in_the_annotations(workspace: Workspace) -> Sequence[object]:
    workspace.change_v0(lambda text: text.replace("Speech,", "Said,", 1))
    return workspace.respond()


@case(2, "v0.csv", "id 0", "rows 1 and 3")
def duplicate_ids(workspace: Workspace) -> Sequence[object]:
    workspace.change_v0(lambda text: text + "0,a,b,c,d,e,f\n")
    return workspace.respond()


def with_clip_id(workspace: Workspace, id_: str) -> Sequence[object]:
    workspace.change_v0(lambda text: text + f'"{id_}",a,b,c,d,e,f\n')
    return workspace.respond()


for _name, _text in {
    "above": "../x",
    "below": "a/b",
    "empty": "",
    "dot": ".",
    "dots": "..",
}.items():
    CASES[f"an_id_that_leaves_the_folder_{_name}"] = (
        2,
        ["v0.csv, row 3", repr(_text), "letters"],
        lambda workspace, text=_text: with_clip_id(workspace, text),  # type: ignore[misc]
    )


@case(2, "v0.csv, line 4", "not UTF-8")
def annotations_that_are_not_utf_8(workspace: Workspace) -> Sequence[object]:
    workspace.change_v0(lambda text: text.encode() + "2,é,b,c,d,e,f\n".encode("latin-1"))
    return workspace.respond()


@case(2, "1.wav", "missing")
def a_wav_missing(workspace: Workspace) -> Sequence[object]:
    workspace.wav().unlink()
    return workspace.respond()


@case(2, "1.wav", "empty")
def a_wav_that_is_empty(workspace: Workspace) -> Sequence[object]:
    workspace.wav().write_bytes(b"")
    return workspace.respond()


@case(2, "1.wav", "corrupt")
def a_wav_that_is_text(workspace: Workspace) -> Sequence[object]:
    workspace.wav().write_text("no sound at all")
    return workspace.respond()


@case(2, "1.wav", "corrupt: truncated")
def a_wav_that_is_cut_off(workspace: Workspace) -> Sequence[object]:
    workspace.wav().write_bytes(workspace.wav().read_bytes()[:-500])
    return workspace.respond()


@case(2, "1.wav", "corrupt", "8044 of 16044 bytes")
def a_wav_whose_header_promises_more(workspace: Workspace) -> Sequence[object]:
    content = bytearray(workspace.wav().read_bytes())
    content[4:8], content[40:44] = bytes(4), (2 * len(tone(1)) * 2).to_bytes(4, "little")
    workspace.wav().write_bytes(content)
    return workspace.respond()


@case(2, "1.wav", "corrupt: truncated")
def an_ogg_that_is_cut_off(workspace: Workspace) -> Sequence[object]:
    soundfile.write(workspace.wav(), tone(1, 2.0), 16_000, format="OGG", subtype="VORBIS")
    workspace.wav().write_bytes(workspace.wav().read_bytes()[:-2000])
    return workspace.respond()


@case(2, "1.wav", "full scale is 1")
def a_wav_of_whole_numbers_as_floats(workspace: Workspace) -> Sequence[object]:
    soundfile.write(workspace.wav(), tone(1), 16_000, subtype="FLOAT")
    return workspace.respond()


@case(2, "1.wav", "not a regular file")
def a_wav_that_is_a_pipe(workspace: Workspace) -> Sequence[object]:
    workspace.wav().unlink()
    os.mkfifo(workspace.wav())
    return workspace.respond()


@case(2, "v0.csv", "semicolons", "commas")
def annotations_with_semicolons(workspace: Workspace) -> Sequence[object]:
    rows = read_annotations(workspace.data)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=";")
    writer.writeheader()
    writer.writerows(rows)
    workspace.change_v0(lambda _: "\ufeff" + text.getvalue())
    return workspace.respond()


def _separated_by(separator: str, workspace: Workspace) -> Path:
    path = workspace.judged_csv()
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    return path


@case(2, "judged.csv", "semicolons", "commas")
def a_judged_csv_with_semicolons(workspace: Workspace) -> Sequence[object]:
    return ["score", _separated_by(";", workspace)]


@case(2, "judged.csv", "semicolons", "commas")
def a_judged_csv_with_semicolons_for_compat(workspace: Workspace) -> Sequence[object]:
    return ["score", _separated_by(";", workspace), "--compat"]


@case(2, "judged.csv", "tabs", "commas")
def a_filled_csv_with_tabs(workspace: Workspace) -> Sequence[object]:
    return workspace.respond(f"csv/{_separated_by(chr(9), workspace)}")


@case(2, "1.wav", "missing")
def a_template_without_its_audio(workspace: Workspace) -> Sequence[object]:
    workspace.wav().unlink()
    return workspace.template()


@case(2, "provider 'no-such-provider' is unknown", "jasco models")
def an_unknown_model_provider(workspace: Workspace) -> Sequence[object]:
    return workspace.respond("no-such-provider/m")


@case(2, "provider 'offlines' is unknown", "jasco judges")
def an_unknown_judge(workspace: Workspace) -> Sequence[object]:
    return [
        "judge",
        workspace.judged_csv(),
        "--judge",
        "offlines",
        "-o",
        workspace.folder / "out.csv",
    ]


@case(2, "openai/m,temprature=1", "unknown key 'temprature'", "temperature, ")
def an_unknown_key(workspace: Workspace) -> Sequence[object]:
    return workspace.respond("openai/m,temprature=1")


@case(2, "temperature: missing value")
def a_key_without_a_value(workspace: Workspace) -> Sequence[object]:
    return workspace.respond("openai/m,temperature")


@case(2, "max_tokens: invalid value 'many'")
def a_value_that_is_no_number(workspace: Workspace) -> Sequence[object]:
    return workspace.respond("openai/m,max_tokens=many")


@case(2, "base_url: invalid value 'http://[::1'")
def an_address_that_is_none(workspace: Workspace) -> Sequence[object]:
    return workspace.respond("openai/m,base_url=http://[::1")


@case(2, "not UTF-8")
def a_model_whose_name_is_not_utf_8(workspace: Workspace) -> Sequence[object]:
    return workspace.respond("openai/m\udcff")


@case(2, "openai/MODEL")
def a_model_without_a_name(workspace: Workspace) -> Sequence[object]:
    return workspace.respond("openai")


@case(2, "api_key_env=NO_KEY", "environment")
def a_key_that_is_not_there(workspace: Workspace) -> Sequence[object]:
    return workspace.respond("openai/m,api_key_env=NO_KEY")


@case(2, "mine.py", "no function nothing")
def a_function_that_is_not_there(workspace: Workspace) -> Sequence[object]:
    return workspace.respond(workspace.model.replace(":answer", ":nothing"))


@case(2, "protocol 'v9' is unknown", "v2 or v1")
def an_unknown_protocol(workspace: Workspace) -> Sequence[object]:
    path = workspace.judged_csv()
    return [
        "judge",
        path,
        "--judge",
        f"csv/{path}",
        "--protocol",
        "v9",
        "-o",
        workspace.folder / "o.csv",
    ]


@case(2, "none.csv", "No such file")
def answers_that_are_not_there(workspace: Workspace) -> Sequence[object]:
    return workspace.respond(f"csv/{workspace.folder / 'none.csv'}")


@case(2, "judged.csv", "clip 1", "annotations", "differ")
def answers_about_other_data(workspace: Workspace) -> Sequence[object]:
    change = lambda rows: [row | {"tgt_text": "x"} if row["id"] == "1" else row for row in rows]  # noqa: E731
    return workspace.respond(f"csv/{workspace.judged_csv(change)}")


def score_changed(change: Callable[[Rows], Rows]) -> Arrange:
    return lambda workspace: ["score", workspace.judged_csv(change)]


CASES |= {
    "duplicate_rows": (
        2,
        ["judged.csv, row 2", "clip '0'", "instruction 1", "row 1"],
        score_changed(lambda rows: [rows[0], *rows]),
    ),
    "an_unknown_prompt": (
        2,
        ["judged.csv, row 4", "clip '0'", "'What is this?'", "instructions"],
        score_changed(with_cells(3, prompt="What is this?")),
    ),
    "a_column_missing_in_the_answers": (
        2,
        ["judged.csv", "column 'allm_output' is missing", "id, "],
        score_changed(without("allm_output")),
    ),
    "no_judge_column": (
        2,
        ["judged.csv", "no column 'judge_output'", "jasco judge "],
        score_changed(without("judge_output")),
    ),
    "two_annotations_of_a_clip": (
        2,
        ["judged.csv, row 3", "clip '0'", "annotations differ"],
        score_changed(with_cells(2, tgt_text="another")),
    ),
    "a_rating_that_contradicts_the_judge": (
        2,
        ["clip 0, instruction 1", "rating is 1", "says 2"],
        score_changed(lambda rows: [row | {"rating": "1"} for row in rows]),
    ),
}


@case(2, "judged.csv, line 2", "not UTF-8")
def a_judged_file_that_is_not_utf_8(workspace: Workspace) -> Sequence[object]:
    path = workspace.judged_csv(name="judged.csv")
    path.write_bytes(path.read_bytes().replace(b"4000", b"\xff", 1))
    return ["score", path]


@case(2, "judged.csv", "no rows")
def a_file_with_only_a_header(workspace: Workspace) -> Sequence[object]:
    path = workspace.judged_csv()
    path.write_text(path.read_text("utf-8").splitlines()[0] + "\n")
    return ["score", path]


@case(2, "none.csv", "no such run or CSV file")
def a_file_to_score_that_is_not_there(workspace: Workspace) -> Sequence[object]:
    return ["score", workspace.folder / "none.csv"]


@case(2, "not a run", "run.db")
def a_folder_that_is_no_run(workspace: Workspace) -> Sequence[object]:
    return ["score", workspace.data]


@case(2, "give runs or judged CSV files, not both")
def runs_and_files_mixed(workspace: Workspace) -> Sequence[object]:
    return ["score", workspace.data, workspace.judged_csv()]


@case(2, "the same file is given twice")
def the_same_file_twice(workspace: Workspace) -> Sequence[object]:
    path = workspace.judged_csv()
    return ["score", path, path]


@case(2, "judged.csv", "-o", "missing")
def judging_a_file_without_an_output(workspace: Workspace) -> Sequence[object]:
    path = workspace.judged_csv()
    return ["judge", path, "--judge", f"csv/{path}"]


@case(2, "-o", "responses CSV")
def judging_a_run_with_an_output(workspace: Workspace) -> Sequence[object]:
    workspace.run.mkdir()
    return [
        "judge",
        workspace.run,
        "--judge",
        f"csv/{workspace.judged_csv()}",
        "-o",
        workspace.folder / "out.csv",
    ]


@case(4, "taken")
def an_output_in_a_folder_that_is_a_file(workspace: Workspace) -> Sequence[object]:
    (workspace.folder / "taken").write_text("")
    return ["data", "template", workspace.data, "-o", workspace.folder / "taken" / "out.csv"]


@case(4, "template.csv")
def an_output_that_is_a_folder(workspace: Workspace) -> Sequence[object]:
    (workspace.folder / "template.csv").mkdir()
    return workspace.template()


@case(4, "taken")
def a_judged_file_in_a_folder_that_is_a_file(workspace: Workspace) -> Sequence[object]:
    (workspace.folder / "taken").write_text("")
    path = workspace.judged_csv()
    return ["judge", path, "--judge", f"csv/{path}", "-o", workspace.folder / "taken" / "out.csv"]


@case(2, "taken", "--run takes a folder")
def a_run_that_is_a_file(workspace: Workspace) -> Sequence[object]:
    (workspace.folder / "taken").write_text("")
    return workspace.respond(run=workspace.folder / "taken")


def _break_run(workspace: Workspace) -> None:
    workspace.run.mkdir()
    (workspace.run / "run.db").write_bytes(b"SQLite format 3\0" + b"x" * 8000)


@case(3, "run.db", "corrupt", "different --run")
def a_broken_run(workspace: Workspace) -> Sequence[object]:
    _break_run(workspace)
    return workspace.respond()


@case(3, "run.db", "corrupt")
def scoring_a_broken_run(workspace: Workspace) -> Sequence[object]:
    _break_run(workspace)
    return ["score", workspace.run, "--json"]


@case(3, "run.db", "database", "different --run")
def a_foreign_database(workspace: Workspace) -> Sequence[object]:
    workspace.write_database(0, 1)
    return workspace.respond()


@case(3, "run.db", "newer jasco", "schema version 99", "update jasco", "different --run")
def a_newer_run(workspace: Workspace) -> Sequence[object]:
    workspace.write_database(0x4A415343, 99)
    return workspace.respond()


def misspell(workspace: Workspace, *words: object) -> Sequence[object]:
    """Return a command with a misspelt path of ``judged.csv``."""
    workspace.judged_csv()
    return [*words, workspace.folder / "jugded"]


@case(2, "jugded: no such run or CSV file", "did you mean ", "judged.csv?")
def judging_a_run_that_is_not_there(workspace: Workspace) -> Sequence[object]:
    return [*misspell(workspace, "judge"), "--judge", "offline"]


@case(2, "jugded: no such run or CSV file", "did you mean ", "judged.csv?")
def scoring_a_run_that_is_not_there(workspace: Workspace) -> Sequence[object]:
    return misspell(workspace, "score")


@case(2, "jugded: no such run or CSV file", "did you mean ", "judged.csv?")
def writing_disagreements_of_a_run_that_is_not_there(workspace: Workspace) -> Sequence[object]:
    return [*misspell(workspace, "score"), "--disagreements", workspace.folder / "o.csv"]


@case(2, "jugded: no such run or CSV file", "did you mean ", "judged.csv?")
def comparing_a_run_that_is_not_there(workspace: Workspace) -> Sequence[object]:
    return [*misspell(workspace, "compare"), workspace.judged_csv()]


@case(2, "jugded: no such run or CSV file", "did you mean ", "judged.csv?")
def reporting_a_run_that_is_not_there(workspace: Workspace) -> Sequence[object]:
    return [*misspell(workspace, "report"), "-o", workspace.folder / "page.html"]


@case(2, "rum", "run not found", "did you mean ", "/run?")
def removing_a_judge_from_a_run_that_is_not_there(workspace: Workspace) -> Sequence[object]:
    workspace.run.mkdir()
    return ["forget", workspace.folder / "rum", "--judge", "offline"]


@case(2, "not a run", "did you mean ", "/run?")
def a_folder_of_runs_for_a_run(workspace: Workspace) -> Sequence[object]:
    workspace.run.mkdir()
    (workspace.run / "run.db").touch()
    return ["score", workspace.folder]


@case(2, "run.db", "database", "/run")
def the_file_of_a_run_for_a_run(workspace: Workspace) -> Sequence[object]:
    workspace.write_database(0x4A415343, 99)
    return ["score", workspace.run / "run.db"]


@case(2, "gol.csv", "No such file", "did you mean ", "gold.csv?")
def labels_that_are_not_there(workspace: Workspace) -> Sequence[object]:
    (workspace.folder / "gold.csv").touch()
    return ["exam", "offline", "--data", workspace.data, "--gold", workspace.folder / "gol.csv"]


@case(2, "gold.csv, row 1", "rating", "'3'")
def an_invalid_label(workspace: Workspace) -> Sequence[object]:
    [clip, *_] = read_data_set(workspace.data).clips
    gold = write_gold(workspace.folder / "gold.csv", [(clip, 1, "an answer", 3)])
    return ["score", workspace.judged_csv(), "--gold", gold]


@case(2, "gold.csv", "no row labels an answer")
def labels_of_other_answers(workspace: Workspace) -> Sequence[object]:
    [clip, *_] = read_data_set(workspace.data).clips
    gold = write_gold(workspace.folder / "gold.csv", [(clip, 1, "another answer", 2)])
    return ["score", workspace.judged_csv(), "--gold", gold]


@case(2, "mimi", "no such folder", "did you mean mini?")
def a_misspelt_data_set_to_verify(_: Workspace) -> Sequence[object]:
    return ["data", "verify", "mimi"]


@case(2, "protocol 'V2' is unknown", "did you mean v2?")
def a_protocol_in_capitals(workspace: Workspace) -> Sequence[object]:
    return ["exam", "offline", "--data", workspace.data, "--protocol", "V2"]


@case(2, "'opnai' is unknown", "did you mean openai/m?")
def a_misspelt_provider(workspace: Workspace) -> Sequence[object]:
    return workspace.respond("opnai/m,base_url=http://127.0.0.1:1/v1")


@case(2, "'Qwen' is unknown", "openai/Qwen/Qwen2-Audio", "hf/Qwen/Qwen2-Audio")
def a_name_on_the_hub_without_a_provider(workspace: Workspace) -> Sequence[object]:
    return workspace.respond("Qwen/Qwen2-Audio")


@case(2, "'three-judge' is unknown", "did you mean three-judges?")
def a_misspelt_panel(workspace: Workspace) -> Sequence[object]:
    return [
        "judge",
        workspace.judged_csv(),
        "--judge",
        "three-judge",
        "-o",
        workspace.folder / "o.csv",
    ]


@case(2, "unknown key 'base_ur'", "did you mean base_url?")
def a_misspelt_key(workspace: Workspace) -> Sequence[object]:
    return workspace.respond("openai/m,base_ur=http://127.0.0.1:1/v1")


@case(2, "temperature: invalid value 'hot'", "number")
def words_for_a_number(workspace: Workspace) -> Sequence[object]:
    return workspace.respond("openai/m,temperature=hot,base_url=http://127.0.0.1:1/v1")


@case(2, "--judge jugded: no such judge", "did you mean judged?")
def a_misspelt_judge_to_score(workspace: Workspace) -> Sequence[object]:
    return ["score", workspace.judged_csv(), "--judge", "jugded"]


@case(2, "column 'allm_output' is missing", "rename 'allm_ouput'", "jasco data template")
def a_misspelt_column(workspace: Workspace) -> Sequence[object]:
    path = workspace.judged_csv()
    path.write_text(path.read_text("utf-8").replace("allm_output", "allm_ouput"))
    return ["judge", path, "--judge", "offline", "-o", workspace.folder / "o.csv"]


@case(2, "judged.csv", "expected one judge")
def a_panel_for_a_file(workspace: Workspace) -> Sequence[object]:
    return [
        "judge",
        workspace.judged_csv(),
        "--judge",
        "three-judges",
        "-o",
        workspace.folder / "o.csv",
    ]


@case(2, "two models", "judged.csv")
def one_model_to_compare(workspace: Workspace) -> Sequence[object]:
    return ["compare", workspace.judged_csv()]


@case(3, "run.db", "newer jasco", "schema version 99", "update jasco")
def a_newer_run_to_score(workspace: Workspace) -> Sequence[object]:
    workspace.write_database(0x4A415343, 99)
    return ["score", workspace.run]


@case(2, "missing command", "jasco eval", "jasco --help")
def no_command(_: Workspace) -> Sequence[object]:
    return []


@case(2, "no such command: 'evl'", "did you mean eval?")
def a_misspelt_command(_: Workspace) -> Sequence[object]:
    return ["evl"]


@case(2, "no such command: 'verfy'", "did you mean verify?")
def a_misspelt_command_on_data(_: Workspace) -> Sequence[object]:
    return ["data", "verfy", "mini"]


@pytest.mark.parametrize("name", CASES)
def test_an_error_is_one_line(jasco: Jasco, workspace: Workspace, name: str) -> None:
    status, parts, arrange = CASES[name]
    result = jasco(*arrange(workspace))
    line = error_line(result)
    assert (result.status, result.stdout) == (status, ""), line
    for part in parts:
        assert part in line


def test_verify_names_the_first_file_that_is_corrupt(jasco: Jasco, workspace: Workspace) -> None:
    workspace.wav().write_bytes(b"RIFF")
    result = jasco("data", "verify", workspace.data)
    assert result.status == 2
    assert "1.wav: corrupt" in error_line(result)


# --- a run of other data or another model ---


def test_a_run_of_other_data_or_another_model_is_refused(
    jasco: Jasco, workspace: Workspace
) -> None:
    assert jasco(*workspace.respond()).status == 0
    before = (workspace.run / "run.db").read_bytes()
    other = make_data(workspace.folder / "other", clips=1)
    for arguments, message in (
        (workspace.respond(data=other), "holds the data set data "),
        (
            workspace.respond(workspace.model.replace(":answer", ":other")),
            "holds answers of python/",
        ),
    ):
        result = jasco(*arguments)
        assert result.status == 3
        assert message in error_line(result)
        assert "use a different --run" in error_line(result)
    write_wav(workspace.wav(), tone(77))
    result = jasco(*workspace.respond())
    assert result.status == 3
    assert "1.wav: the audio differs from that used in the run" in error_line(result)
    with sqlite3.connect(workspace.run / "run.db") as run:
        assert run.execute("SELECT count(*) FROM responses").fetchone() == (16,)
    assert len(before) == (workspace.run / "run.db").stat().st_size


# --- unusual input that is accepted ---

ODD_AUDIO: dict[str, Callable[[Path], Any]] = {
    "stereo": lambda path: soundfile.write(path, np.stack([tone(1)] * 2, axis=1), 16_000),
    "8 bit": lambda path: soundfile.write(path, tone(1) / 32768, 16_000, subtype="PCM_U8"),
    "48 kHz": lambda path: write_wav(path, tone(1, rate=48_000), 48_000),
    "10 minutes": lambda path: write_wav(path, tone(1, seconds=600)),
    "gsm": lambda path: soundfile.write(path, tone(1), 16_000, subtype="GSM610"),
    "mp3": lambda path: soundfile.write(path, tone(1), 16_000, format="MP3"),
}


@pytest.mark.parametrize("kind", ODD_AUDIO)
def test_odd_audio_is_handled(jasco: Jasco, workspace: Workspace, kind: str) -> None:
    ODD_AUDIO[kind](workspace.wav())
    result = jasco(*workspace.respond())
    assert result.status == 0
    converted = "converted to 16 kHz mono PCM16: 1 of 2 clips" in result.stderr
    assert converted == (kind != "10 minutes")
    with sqlite3.connect(workspace.run / "run.db") as run:
        [(response,)] = set(run.execute("SELECT text FROM responses WHERE clip = 1"))
    assert response == ("9600000" if kind == "10 minutes" else "4000")


def test_rows_may_be_missing(jasco: Jasco, workspace: Workspace) -> None:
    path = workspace.judged_csv(lambda rows: [*rows[:5], *rows[8:]])
    for status, arguments in (
        (0, ["score", path, "--json"]),
        (4, ["eval", f"csv/{path}", "--data", workspace.data, "--run", workspace.run,
         "--judge", f"csv/{path}", "--json"]),
    ):  # fmt: skip
        result = jasco(*arguments)
        assert result.status == status
        assert "3 of 16 items not answered" in result.stderr
        [model] = json.loads(result.stdout)["models"].values()
        assert model["complete"] is False
        assert model["coverage"] == 13 / 16
        assert model["best_mean"] == 2
    table = jasco("score", path)
    assert table.status == 0
    assert "3 of 16 items not answered" in table.stdout
    judged = jasco("judge", path, "--judge", f"csv/{path}", "-o", workspace.folder / "out.csv")
    assert judged.status == 4
    with (workspace.folder / "out.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 13


def test_nan_is_a_text_like_any_other(jasco: Jasco, workspace: Workspace) -> None:
    texts = ["NaN", "nan", "None", "NULL", "N/A", "-", " ", "0"]
    path = workspace.judged_csv(
        lambda rows: [row | {"allm_output": texts[n % 8]} for n, row in enumerate(rows)]
    )
    result = jasco(*workspace.respond(f"csv/{path}"))
    assert result.status == 0
    with sqlite3.connect(workspace.run / "run.db") as run:
        responses = run.execute("SELECT text FROM responses ORDER BY clip, instruction").fetchall()
    assert [text for (text,) in responses] == texts * 2
    assert jasco("score", path).status == 0


def test_a_byte_order_mark_is_accepted(jasco: Jasco, workspace: Workspace) -> None:
    path = workspace.judged_csv()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert jasco("score", path).status == 0


def test_a_verdict_on_another_answer_does_not_count(jasco: Jasco, workspace: Workspace) -> None:
    path = workspace.judged_csv(with_cells(0, allm_output="another answer"))
    jasco(*workspace.respond())
    result = jasco("judge", workspace.run, "--judge", f"csv/{path}")
    assert result.status == 4
    assert "1 verdict failed (1 unjudged)" in result.stdout


def test_names_that_are_not_utf_8_are_accepted(jasco: Jasco, workspace: Workspace) -> None:
    folder = workspace.data.rename(workspace.data.with_name("data\udcff"))
    assert jasco(*workspace.respond(data=folder)).status == 0
    assert "not judged yet" in jasco("score", workspace.run).stderr
    workspace.data = folder
    assert jasco("score", workspace.judged_csv(name="judged\udcff.csv"), "--json").status == 0
