"""What users get wrong, through the real command: one line that names place and remedy."""

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

from command import Jasco, Result
from synthetic import make_data, read_annotations, tone, write_wav

GOOD = "Rating: 2\nOrientation: Both"
Rows = list[dict[str, str]]


class Place:
    """A folder with a small data set, a model, and CSV files filled in and judged."""

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
        changed = change(self.v0.read_text("utf-8"))
        self.v0.write_bytes(changed if isinstance(changed, bytes) else changed.encode())

    def respond(self, model: str = "", data: object = None, **more: object) -> list[object]:
        told = ["respond", model or self.model, "--data", data or self.data]
        return [*told, "--run", more.get("run", self.run)]

    def template(self) -> list[object]:
        return ["data", "template", self.data, "-o", self.folder / "template.csv"]

    def filled(
        self, change: Callable[[Rows], Rows] = lambda rows: rows, name: str = "filled.csv"
    ) -> Path:
        """Write a judged CSV by hand; a judge's answer stands in it."""
        instructions = _instructions()
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
            for instruction in instructions
        ]
        path = self.folder / name
        changed = change(rows)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(changed[0]))
            writer.writeheader()
            writer.writerows(changed)
        return path

    def database(self, application: int, version: int) -> None:
        self.run.mkdir()
        connection = sqlite3.connect(self.run / "run.db")
        connection.executescript(
            f"CREATE TABLE x (y); PRAGMA application_id={application};"
            f"PRAGMA user_version={version};"
        )
        connection.close()


def _instructions() -> list[str]:
    from jasco.protocol.instructions import INSTRUCTIONS

    return list(INSTRUCTIONS)


def without(column: str) -> Callable[[Rows], Rows]:
    return lambda rows: [{k: v for k, v in row.items() if k != column} for row in rows]


def cell(place: int, **cells: str) -> Callable[[Rows], Rows]:
    return lambda rows: [row | cells if n == place else row for n, row in enumerate(rows)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# --- one line, no traceback, the documented exit status ---

Arrange = Callable[[Place], Sequence[object]]
CASES: dict[str, tuple[int, list[str], Arrange]] = {}


def case(status: int, *says: str) -> Callable[[Arrange], Arrange]:
    def enter(arrange: Arrange) -> Arrange:
        CASES[arrange.__name__] = status, list(says), arrange
        return arrange

    return enter


@case(2, "nowhere", "no such folder", "watd", "mini")
def no_such_data_folder(p: Place) -> Sequence[object]:
    return p.respond(data=p.folder / "nowhere")


@case(2, "v0/dataset/v0/v0.csv", "did you mean ", "/data?")
def the_folder_inside_the_data_set(p: Place) -> Sequence[object]:
    return p.respond(data=p.v0.parent)


@case(2, "v0.csv", "column 'Speech' is missing; it has ")
def a_column_missing_in_the_annotations(p: Place) -> Sequence[object]:
    p.change_v0(lambda text: text.replace("Speech,", "Said,", 1))
    return p.respond()


@case(2, "v0.csv", "id 0 is in rows 1 and 3")
def duplicate_ids(p: Place) -> Sequence[object]:
    p.change_v0(lambda text: text + "0,a,b,c,d,e,f\n")
    return p.respond()


def _id(p: Place, id_: str) -> Sequence[object]:
    p.change_v0(lambda text: text + f'"{id_}",a,b,c,d,e,f\n')
    return p.respond()


for _name, _text in {
    "above": "../x",
    "below": "a/b",
    "empty": "",
    "dot": ".",
    "dots": "..",
}.items():
    CASES[f"an_id_that_leaves_the_folder_{_name}"] = (
        2,
        ["v0.csv, row 3", f"clip id {_text!r} cannot name a file: use letters"],
        lambda p, text=_text: _id(p, text),  # type: ignore[misc]
    )


@case(2, "v0.csv, line 4: not UTF-8; save the file as CSV UTF-8")
def annotations_that_are_not_utf_8(p: Place) -> Sequence[object]:
    p.change_v0(lambda text: text.encode() + "2,é,b,c,d,e,f\n".encode("latin-1"))
    return p.respond()


@case(2, "1.wav", "missing")
def a_wav_missing(p: Place) -> Sequence[object]:
    p.wav().unlink()
    return p.respond()


@case(2, "1.wav", "empty")
def a_wav_that_is_empty(p: Place) -> Sequence[object]:
    p.wav().write_bytes(b"")
    return p.respond()


@case(2, "1.wav", "corrupt")
def a_wav_that_is_text(p: Place) -> Sequence[object]:
    p.wav().write_text("no sound at all")
    return p.respond()


@case(2, "1.wav", "corrupt: cut off")
def a_wav_that_is_cut_off(p: Place) -> Sequence[object]:
    p.wav().write_bytes(p.wav().read_bytes()[:-500])
    return p.respond()


@case(2, "1.wav", "corrupt: cut off after 8044 of 16044 bytes")
def a_wav_whose_header_promises_more(p: Place) -> Sequence[object]:
    content = bytearray(p.wav().read_bytes())
    content[4:8], content[40:44] = bytes(4), (2 * len(tone(1)) * 2).to_bytes(4, "little")
    p.wav().write_bytes(content)
    return p.respond()


@case(2, "1.wav", "corrupt: cut off")
def an_ogg_that_is_cut_off(p: Place) -> Sequence[object]:
    soundfile.write(p.wav(), tone(1, 2.0), 16_000, format="OGG", subtype="VORBIS")
    p.wav().write_bytes(p.wav().read_bytes()[:-2000])
    return p.respond()


@case(2, "1.wav", "where full scale is 1", "scale them")
def a_wav_of_whole_numbers_as_floats(p: Place) -> Sequence[object]:
    soundfile.write(p.wav(), tone(1), 16_000, subtype="FLOAT")
    return p.respond()


@case(2, "1.wav", "not a regular file")
def a_wav_that_is_a_pipe(p: Place) -> Sequence[object]:
    p.wav().unlink()
    os.mkfifo(p.wav())
    return p.respond()


@case(2, "v0.csv: its columns are separated by semicolons", "with commas")
def annotations_with_semicolons(p: Place) -> Sequence[object]:
    rows = read_annotations(p.data)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=";")
    writer.writeheader()
    writer.writerows(rows)
    p.change_v0(lambda _: "\ufeff" + text.getvalue())
    return p.respond()


def _with(separator: str, p: Place) -> Path:
    path = p.filled()
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    return path


@case(2, "filled.csv: its columns are separated by semicolons", "with commas")
def a_judged_csv_with_semicolons(p: Place) -> Sequence[object]:
    return ["score", _with(";", p)]


@case(2, "filled.csv: its columns are separated by semicolons", "with commas")
def a_judged_csv_with_semicolons_for_compat(p: Place) -> Sequence[object]:
    return ["score", _with(";", p), "--compat"]


@case(2, "filled.csv: its columns are separated by tabs", "with commas")
def a_filled_csv_with_tabs(p: Place) -> Sequence[object]:
    return p.respond(f"csv/{_with(chr(9), p)}")


@case(2, "1.wav", "missing")
def a_template_without_its_audio(p: Place) -> Sequence[object]:
    p.wav().unlink()
    return p.template()


@case(2, "nobody/m", "provider 'nobody' is unknown; see: jasco models")
def an_unknown_model_provider(p: Place) -> Sequence[object]:
    return p.respond("nobody/m")


@case(2, "provider 'offlines' is unknown; see: jasco judges")
def an_unknown_judge(p: Place) -> Sequence[object]:
    return ["judge", p.filled(), "--judge", "offlines", "-o", p.folder / "out.csv"]


@case(2, "openai/m,temprature=1", "unknown key 'temprature'; it takes temperature, ")
def an_unknown_key(p: Place) -> Sequence[object]:
    return p.respond("openai/m,temprature=1")


@case(2, "temperature has no value; write temperature=...")
def a_key_without_a_value(p: Place) -> Sequence[object]:
    return p.respond("openai/m,temperature")


@case(2, "max_tokens=many is not valid")
def a_value_that_is_no_number(p: Place) -> Sequence[object]:
    return p.respond("openai/m,max_tokens=many")


@case(2, "base_url=http://[::1 is not valid")
def an_address_that_is_none(p: Place) -> Sequence[object]:
    return p.respond("openai/m,base_url=http://[::1")


@case(2, "not UTF-8")
def a_model_whose_name_is_not_utf_8(p: Place) -> Sequence[object]:
    return p.respond("openai/m\udcff")


@case(2, "'openai': write openai/MODEL")
def a_model_without_a_name(p: Place) -> Sequence[object]:
    return p.respond("openai")


@case(2, "api_key_env=NO_KEY: the environment has no such variable")
def a_key_that_is_not_there(p: Place) -> Sequence[object]:
    return p.respond("openai/m,api_key_env=NO_KEY")


@case(2, "mine.py has no function nothing")
def a_function_that_is_not_there(p: Place) -> Sequence[object]:
    return p.respond(p.model.replace(":answer", ":nothing"))


@case(2, "protocol 'v9' is unknown; there are v2, v1")
def an_unknown_protocol(p: Place) -> Sequence[object]:
    path = p.filled()
    return ["judge", path, "--judge", f"csv/{path}", "--protocol", "v9", "-o", p.folder / "o.csv"]


@case(2, "none.csv", "No such file")
def answers_that_are_not_there(p: Place) -> Sequence[object]:
    return p.respond(f"csv/{p.folder / 'none.csv'}")


@case(2, "filled.csv", "clip 1 has other annotations than in the data")
def answers_about_other_data(p: Place) -> Sequence[object]:
    change = lambda rows: [row | {"tgt_text": "x"} if row["id"] == "1" else row for row in rows]  # noqa: E731
    return p.respond(f"csv/{p.filled(change)}")


def _score(change: Callable[[Rows], Rows]) -> Arrange:
    return lambda p: ["score", p.filled(change)]


CASES |= {
    "duplicate_rows": (
        2,
        ["filled.csv, row 2 (clip '0'): prompt 1 is in row 1 already"],
        _score(lambda rows: [rows[0], *rows]),
    ),
    "an_unknown_prompt": (
        2,
        ["filled.csv, row 4 (clip '0'): prompt 'What is this?' is none of the 8 instructions"],
        _score(cell(3, prompt="What is this?")),
    ),
    "a_column_missing_in_the_answers": (
        2,
        ["filled.csv: column 'allm_output' is missing; it has id, "],
        _score(without("allm_output")),
    ),
    "no_judge_column": (
        2,
        ["filled.csv: no column 'judge_output'", "judge the file first: jasco judge "],
        _score(without("judge_output")),
    ),
    "two_annotations_of_a_clip": (
        2,
        ["filled.csv, row 3 (clip '0'): other annotations than in the clip's first row"],
        _score(cell(2, tgt_text="another")),
    ),
    "a_rating_that_contradicts_the_judge": (
        2,
        ["clip 0, prompt 1: rating is 1, but 2 by the judge's text"],
        _score(lambda rows: [row | {"rating": "1"} for row in rows]),
    ),
}


@case(2, "judged.csv, line 2: not UTF-8")
def a_judged_file_that_is_not_utf_8(p: Place) -> Sequence[object]:
    path = p.filled(name="judged.csv")
    path.write_bytes(path.read_bytes().replace(b"4000", b"\xff", 1))
    return ["score", path]


@case(2, "filled.csv", "no rows in it")
def a_file_with_only_a_header(p: Place) -> Sequence[object]:
    path = p.filled()
    path.write_text(path.read_text("utf-8").splitlines()[0] + "\n")
    return ["score", path]


@case(2, "none.csv: no such run or CSV file")
def a_file_to_score_that_is_not_there(p: Place) -> Sequence[object]:
    return ["score", p.folder / "none.csv"]


@case(2, "no run there (no run.db in it)")
def a_folder_that_is_no_run(p: Place) -> Sequence[object]:
    return ["score", p.data]


@case(2, "give runs or judged CSV files, not both")
def runs_and_files_mixed(p: Place) -> Sequence[object]:
    return ["score", p.data, p.filled()]


@case(2, "the same file is given twice")
def the_same_file_twice(p: Place) -> Sequence[object]:
    path = p.filled()
    return ["score", path, path]


@case(2, "filled.csv: -o JUDGED.csv is missing")
def judging_a_file_without_an_output(p: Place) -> Sequence[object]:
    path = p.filled()
    return ["judge", path, "--judge", f"csv/{path}"]


@case(2, "-o goes with a responses CSV", "leave out -o")
def judging_a_run_with_an_output(p: Place) -> Sequence[object]:
    p.run.mkdir()
    return ["judge", p.run, "--judge", f"csv/{p.filled()}", "-o", p.folder / "out.csv"]


@case(4, "taken")
def an_output_in_a_folder_that_is_a_file(p: Place) -> Sequence[object]:
    (p.folder / "taken").write_text("")
    return ["data", "template", p.data, "-o", p.folder / "taken" / "out.csv"]


@case(4, "template.csv")
def an_output_that_is_a_folder(p: Place) -> Sequence[object]:
    (p.folder / "template.csv").mkdir()
    return p.template()


@case(4, "taken")
def a_judged_file_in_a_folder_that_is_a_file(p: Place) -> Sequence[object]:
    (p.folder / "taken").write_text("")
    path = p.filled()
    return ["judge", path, "--judge", f"csv/{path}", "-o", p.folder / "taken" / "out.csv"]


@case(2, "taken: a file", "--run takes a folder")
def a_run_that_is_a_file(p: Place) -> Sequence[object]:
    (p.folder / "taken").write_text("")
    return p.respond(run=p.folder / "taken")


def _broken(p: Place) -> None:
    p.run.mkdir()
    (p.run / "run.db").write_bytes(b"SQLite format 3\0" + b"x" * 8000)


@case(3, "run.db: broken, or not a run", "take another --run")
def a_broken_run(p: Place) -> Sequence[object]:
    _broken(p)
    return p.respond()


@case(3, "run.db: broken, or not a run")
def scoring_a_broken_run(p: Place) -> Sequence[object]:
    _broken(p)
    return ["score", p.run, "--json"]


@case(3, "run.db: a database of something else", "another --run")
def a_foreign_database(p: Place) -> Sequence[object]:
    p.database(0, 1)
    return p.respond()


@case(3, "run.db: made by a newer jasco (schema version 99", "update jasco", "another --run")
def a_newer_run(p: Place) -> Sequence[object]:
    p.database(0x4A415343, 99)
    return p.respond()


def a_near_name(p: Place, *words: object) -> Sequence[object]:
    """Give a name beside ``filled.csv`` that is not there."""
    p.filled()
    return [*words, p.folder / "filed"]


@case(2, "filed: no such run or CSV file; did you mean ", "filled.csv?")
def judging_a_run_that_is_not_there(p: Place) -> Sequence[object]:
    return [*a_near_name(p, "judge"), "--judge", "offline"]


@case(2, "filed: no such run or CSV file; did you mean ", "filled.csv?")
def scoring_a_run_that_is_not_there(p: Place) -> Sequence[object]:
    return a_near_name(p, "score")


@case(2, "filed: no such run or CSV file; did you mean ", "filled.csv?")
def writing_disagreements_of_a_run_that_is_not_there(p: Place) -> Sequence[object]:
    return [*a_near_name(p, "score"), "--disagreements", p.folder / "o.csv"]


@case(2, "filed: no such run or CSV file; did you mean ", "filled.csv?")
def comparing_a_run_that_is_not_there(p: Place) -> Sequence[object]:
    return [*a_near_name(p, "compare"), p.filled()]


@case(2, "filed: no such run or CSV file; did you mean ", "filled.csv?")
def reporting_a_run_that_is_not_there(p: Place) -> Sequence[object]:
    return [*a_near_name(p, "report"), "-o", p.folder / "page.html"]


@case(2, "rum: no run there", "did you mean ", "/run?")
def removing_a_judge_from_a_run_that_is_not_there(p: Place) -> Sequence[object]:
    p.run.mkdir()
    return ["forget", p.folder / "rum", "--judge", "offline"]


@case(2, "no run there", "did you mean ", "/run?")
def a_folder_of_runs_for_a_run(p: Place) -> Sequence[object]:
    p.run.mkdir()
    (p.run / "run.db").touch()
    return ["score", p.folder]


@case(2, "run.db: a database, not a CSV file", "/run")
def the_file_of_a_run_for_a_run(p: Place) -> Sequence[object]:
    p.database(0x4A415343, 99)
    return ["score", p.run / "run.db"]


@case(2, "gol.csv: No such file", "did you mean ", "gold.csv?")
def labels_that_are_not_there(p: Place) -> Sequence[object]:
    (p.folder / "gold.csv").touch()
    return ["exam", "offline", "--data", p.data, "--gold", p.folder / "gol.csv"]


@case(2, "mimi: no such folder", "did you mean mini?")
def a_misspelt_data_set_to_verify(_: Place) -> Sequence[object]:
    return ["data", "verify", "mimi"]


@case(2, "protocol 'V2' is unknown", "did you mean v2?")
def a_protocol_in_capitals(p: Place) -> Sequence[object]:
    return ["exam", "offline", "--data", p.data, "--protocol", "V2"]


@case(2, "'opnai' is unknown; see: jasco models; did you mean openai/m?")
def a_misspelt_provider(p: Place) -> Sequence[object]:
    return p.respond("opnai/m,base_url=http://127.0.0.1:1/v1")


@case(2, "'Qwen' is unknown", "openai/Qwen/Qwen2-Audio", "hf/Qwen/Qwen2-Audio")
def a_name_on_the_hub_without_a_provider(p: Place) -> Sequence[object]:
    return p.respond("Qwen/Qwen2-Audio")


@case(2, "'three-judge' is unknown; see: jasco judges; did you mean three-judges?")
def a_misspelt_panel(p: Place) -> Sequence[object]:
    return ["judge", p.filled(), "--judge", "three-judge", "-o", p.folder / "o.csv"]


@case(2, "unknown key 'base_ur'", "did you mean base_url?")
def a_misspelt_key(p: Place) -> Sequence[object]:
    return p.respond("openai/m,base_ur=http://127.0.0.1:1/v1")


@case(2, "temperature=hot is not valid: a number of at least 0 is needed")
def words_for_a_number(p: Place) -> Sequence[object]:
    return p.respond("openai/m,temperature=hot,base_url=http://127.0.0.1:1/v1")


@case(2, "--judge flled: no such judge", "did you mean filled?")
def a_misspelt_judge_to_score(p: Place) -> Sequence[object]:
    return ["score", p.filled(), "--judge", "flled"]


@case(
    2, "column 'allm_output' is missing; it has id, ", "rename 'allm_ouput'", "jasco data template"
)
def a_misspelt_column(p: Place) -> Sequence[object]:
    path = p.filled()
    path.write_text(path.read_text("utf-8").replace("allm_output", "allm_ouput"))
    return ["judge", path, "--judge", "offline", "-o", p.folder / "o.csv"]


@case(2, "filled.csv: a responses CSV takes one judge at a time")
def a_panel_for_a_file(p: Place) -> Sequence[object]:
    return ["judge", p.filled(), "--judge", "three-judges", "-o", p.folder / "o.csv"]


@case(2, "compare takes two models or more", "filled.csv")
def one_model_to_compare(p: Place) -> Sequence[object]:
    return ["compare", p.filled()]


@case(3, "run.db: made by a newer jasco (schema version 99", "update jasco")
def a_newer_run_to_score(p: Place) -> Sequence[object]:
    p.database(0x4A415343, 99)
    return ["score", p.run]


@case(2, "no command; to begin: jasco eval cascade", "jasco --help")
def no_command(_: Place) -> Sequence[object]:
    return []


@case(2, "no such command: 'evl'", "did you mean eval?")
def a_misspelt_command(_: Place) -> Sequence[object]:
    return ["evl"]


@case(2, "no such command: 'verfy'", "did you mean verify?")
def a_misspelt_command_on_data(_: Place) -> Sequence[object]:
    return ["data", "verfy", "mini"]


def the_line(result: Result) -> str:
    lines = [line for line in result.stderr.splitlines() if line]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("jasco: ")
    return lines[0]


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_told_in_one_line(jasco: Jasco, place: Place, name: str) -> None:
    status, says, arrange = CASES[name]
    result = jasco(*arrange(place))
    line = the_line(result)
    assert (result.status, result.stdout) == (status, ""), line
    for words in says:
        assert words in line


def test_verify_names_the_first_file_that_is_corrupt(jasco: Jasco, place: Place) -> None:
    place.wav().write_bytes(b"RIFF")
    result = jasco("data", "verify", place.data)
    assert result.status == 2
    assert "1.wav: corrupt" in the_line(result)


# --- a run that holds something else ---


def test_a_run_made_with_something_else_is_refused(jasco: Jasco, place: Place) -> None:
    assert jasco(*place.respond()).status == 0
    held = (place.run / "run.db").read_bytes()
    other = make_data(place.folder / "other", clips=1)
    for arguments, says in (
        (place.respond(data=other), "holds the data set data "),
        (place.respond(place.model.replace(":answer", ":other")), "holds answers of python/"),
    ):
        result = jasco(*arguments)
        assert result.status == 3
        assert says in the_line(result)
        assert "take another --run" in the_line(result)
    write_wav(place.wav(), tone(77))
    result = jasco(*place.respond())
    assert result.status == 3
    assert "1.wav: other audio than the run" in the_line(result)
    with sqlite3.connect(place.run / "run.db") as now:
        assert now.execute("SELECT count(*) FROM responses").fetchone() == (16,)
    assert len(held) == (place.run / "run.db").stat().st_size


# --- what is odd and still taken ---

ODD_AUDIO: dict[str, Callable[[Path], Any]] = {
    "stereo": lambda path: soundfile.write(path, np.stack([tone(1)] * 2, axis=1), 16_000),
    "8 bit": lambda path: soundfile.write(path, tone(1) / 32768, 16_000, subtype="PCM_U8"),
    "48 kHz": lambda path: write_wav(path, tone(1, rate=48_000), 48_000),
    "10 minutes": lambda path: write_wav(path, tone(1, seconds=600)),
    "gsm": lambda path: soundfile.write(path, tone(1), 16_000, subtype="GSM610"),
    "mp3": lambda path: soundfile.write(path, tone(1), 16_000, format="MP3"),
}


@pytest.mark.parametrize("kind", ODD_AUDIO)
def test_odd_audio_is_handled(jasco: Jasco, place: Place, kind: str) -> None:
    ODD_AUDIO[kind](place.wav())
    result = jasco(*place.respond())
    assert result.status == 0
    converted = "converted to 16 kHz mono PCM16: 1 of 2 clips" in result.stderr
    assert converted == (kind != "10 minutes")
    with sqlite3.connect(place.run / "run.db") as run:
        [(said,)] = set(run.execute("SELECT text FROM responses WHERE clip = 1"))
    assert said == ("9600000" if kind == "10 minutes" else "4000")


def test_missing_rows_are_done_as_far_as_possible(jasco: Jasco, place: Place) -> None:
    path = place.filled(lambda rows: [*rows[:5], *rows[8:]])
    for status, arguments in (
        (0, ["score", path, "--json"]),
        (4, ["eval", f"csv/{path}", "--data", place.data, "--run", place.run,
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
    judged = jasco("judge", path, "--judge", f"csv/{path}", "-o", place.folder / "out.csv")
    assert judged.status == 4
    with (place.folder / "out.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 13


def test_nan_is_a_text_like_any_other(jasco: Jasco, place: Place) -> None:
    texts = ["NaN", "nan", "None", "NULL", "N/A", "-", " ", "0"]
    path = place.filled(
        lambda rows: [row | {"allm_output": texts[n % 8]} for n, row in enumerate(rows)]
    )
    result = jasco(*place.respond(f"csv/{path}"))
    assert result.status == 0
    with sqlite3.connect(place.run / "run.db") as run:
        held = run.execute("SELECT text FROM responses ORDER BY clip, instruction").fetchall()
    assert [text for (text,) in held] == texts * 2
    assert jasco("score", path).status == 0


def test_a_byte_order_mark_is_taken(jasco: Jasco, place: Place) -> None:
    path = place.filled()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert jasco("score", path).status == 0


def test_a_verdict_on_another_answer_does_not_count(jasco: Jasco, place: Place) -> None:
    path = place.filled(cell(0, allm_output="another answer"))
    jasco(*place.respond())
    result = jasco("judge", place.run, "--judge", f"csv/{path}")
    assert result.status == 4
    assert "1 verdict failed (1 unjudged)" in result.stdout


def test_names_that_are_not_utf_8_do_no_harm(jasco: Jasco, place: Place) -> None:
    odd = place.data.rename(place.data.with_name("data\udcff"))
    assert jasco(*place.respond(data=odd)).status == 0
    assert "not judged yet" in jasco("score", place.run).stderr
    place.data = odd
    assert jasco("score", place.filled(name="judged\udcff.csv"), "--json").status == 0
