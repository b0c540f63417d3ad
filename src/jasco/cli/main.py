"""The command line: parse, call, print.

Exit status: 0 done, nothing is left that the same command could finish (missing items are still
reported); 1 an internal error; 2 invalid input; 3 refused: the run holds something else, another
process is writing to it, or the model ignores the audio; 4 the same command may finish what is
left; 130 interrupted. Results go to stdout, everything else to stderr.
"""

import _thread
import argparse
import errno
import json
import os
import re
import select
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from jasco.cli.launch import end_at_once
from jasco.cli.streams import discard, is_utf8
from jasco.errors import (
    IncompleteError,
    InputError,
    RunConflictError,
    count,
    did_you_mean,
    one_line,
)
from jasco.version import __version__

if TYPE_CHECKING:  # what a command needs is imported by the command: --help stays quick
    from jasco.backends.budget import Budget
    from jasco.backends.specs import Kind
    from jasco.evaluation.evaluate import Job
    from jasco.judges.judge import Judge

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001

EXIT_INCOMPLETE, EXIT_INTERRUPTED = 4, 130
_EXIT_STATUS: dict[type[Exception], int] = {
    InputError: 2,
    RunConflictError: 3,
    sqlite3.DatabaseError: 3,
    IncompleteError: EXIT_INCOMPLETE,
    OSError: EXIT_INCOMPLETE,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit status."""
    with _complaints(debug=False) as complaint:
        options = _parsed(arguments)
        if isinstance(options, int):  # all is said: help, or what is wrong
            complaint.status = options
    if complaint.status or isinstance(options, int):
        sys.exit(_flushed(complaint.status))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what clusters send, as Ctrl-C
    if signal.getsignal(signal.SIGINT) is end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.unraisablehook = _unraisable
    with _complaints(options.debug) as complaint:
        complaint.status = options.command(options)
    complaint.status = _flushed(complaint.status)
    if complaint.status == EXIT_INTERRUPTED:
        sys.stderr.flush()
        os._exit(EXIT_INTERRUPTED)  # a model's thread may be busy for long; nothing waits for it
    return complaint.status


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace | int:
    """Give the options, or the exit status where there is nothing left to do."""
    parser = _parser()
    try:
        if not (sys.argv[1:] if arguments is None else arguments):
            parser.error(
                "no command; to begin: jasco eval cascade --data mini --judge offline --run first"
            )
        return parser.parse_args(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0


def _flushed(status: int) -> int:
    """Hand on what was printed; give the exit status, which it changes where that fails."""
    with _complaints(debug=False) as complaint:
        complaint.status = status
        sys.stdout.flush()
    if complaint.status != status or _is_broken(sys.stdout):
        discard(1)  # what is left in the buffer is written at the very end
        with suppress(OSError):
            sys.stdout.flush()
    return complaint.status


def _is_broken(stream: TextIO) -> bool:
    """Return whether the reader of a stream has gone."""
    with suppress(OSError, ValueError):
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    return False


def _unraisable(ignored: "sys.UnraisableHookArgs") -> None:
    """Handle an exception that could not be raised: an interruption is deferred, not lost."""
    if ignored.exc_type is KeyboardInterrupt:
        threading.Timer(0.05, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(ignored)


class _Complaint:
    status = 0


@contextmanager
def _complaints(debug: bool) -> Iterator[_Complaint]:
    """Turn what can go wrong into one line and an exit status."""
    complaint = _Complaint()
    try:
        yield complaint
    except KeyboardInterrupt:
        _say(_INTERRUPTED)
        complaint.status = EXIT_INTERRUPTED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _is_broken(sys.stdout):
            discard(1)  # the reader of our output has seen enough
            return
        if _comes_of_an_interruption(error):
            _say(_INTERRUPTED)
            complaint.status = EXIT_INTERRUPTED
            return
        statuses = [status for kind, status in _EXIT_STATUS.items() if isinstance(error, kind)]
        if debug or not statuses:
            raise
        _say(one_line(_in_words(error), 1000))
        complaint.status = statuses[0]


_INTERRUPTED = "interrupted; what was done is kept, the same command goes on from there"


def _comes_of_an_interruption(error: BaseException | None) -> bool:
    """Whether Ctrl-C was met by a library, which made another error of it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _in_words(error: Exception) -> object:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        where = error.filename or "the output"
        return f"{where}: cannot be written ({error.strerror}); free some space, or write elsewhere"
    return error


def _say(line: str) -> None:
    if tqdm := sys.modules.get("tqdm"):  # a bar may be shown: it gives way to the line
        tqdm.tqdm.write(f"jasco: {line}", file=sys.stderr)
    else:
        print(f"jasco: {line}", file=sys.stderr)


# --- commands ---


def _eval(options: argparse.Namespace) -> int:
    job = _job(options)
    if options.dry_run:
        return _print_plan(job, as_json=options.json)
    return _evaluate_and_score(job, as_json=options.json, published=options.published)


def _respond(options: argparse.Namespace) -> int:
    job = _job(options)
    if options.dry_run:
        return _print_plan(job, as_json=False)
    done = _evaluate(job)
    from jasco.reports.layout import kinds, reason_lines
    from jasco.reports.spending import spending_line, summarise_spending
    from jasco.runs.results import results_of_run

    results = results_of_run(options.run)
    answers = results.answers
    why = f" ({kinds(answers.failed)})" if answers.failed else ""
    _say(
        f"{answers.answered} of {count(answers.expected, 'item')} are answered in "
        f"{options.run}{why}"
    )
    for line in reason_lines(job.model.spec.label if job.model else "", answers.reasons):
        _say(line)
    if results.spent and (line := spending_line(summarise_spending(results.spent))):
        _say(line)
    return 0 if done else EXIT_INCOMPLETE


def _judge(options: argparse.Namespace) -> int:
    from jasco.runs.results import see_targets

    see_targets([options.target], together=True)
    if options.target.is_dir():
        if options.output:
            raise InputError(
                f"-o goes with a responses CSV; {options.target} is a run, which keeps its "
                "verdicts: leave out -o"
            )
        options.run, options.data, options.model = options.target, None, None
        return _evaluate_and_score(_job(options), as_json=False)
    return _judge_file(options)


def _judge_file(options: argparse.Namespace) -> int:
    from jasco.data.csv_files import write_table
    from jasco.data.responses_csv import VERDICT_COLUMNS, judged_rows, read_responses_csv
    from jasco.judges.panel import PANELS
    from jasco.runs.results import JUDGING_RUN, judged_items_of_run

    if not options.output:
        raise InputError(
            f"{options.target}: -o JUDGED.csv is missing: the file that the verdicts on a "
            "responses CSV are written to"
        )
    if len(options.judge) != 1 or options.judge[0].split(",")[0] in PANELS:
        raise InputError(
            f"{options.target}: a responses CSV takes one judge at a time; give each a command "
            "with an -o of its own, and all of these to: jasco score"
        )
    file = read_responses_csv(options.target)
    if nans := sum(text.strip().lower() == "nan" for text in file.answers().values()):
        _say(f"{file.path}: answers that read 'nan': {nans}; empty the cell if none was given")
    options.run = options.output.with_suffix(JUDGING_RUN)
    options.data, options.model = file.data, f"csv/{options.target}"
    job = _job(options)
    done = _evaluate(job)
    columns = [name for name in file.table.columns if name not in VERDICT_COLUMNS]
    items = judged_items_of_run(options.run)
    rows = judged_rows(file, items.judges.get(job.judges[0].spec.label, {}))
    write_table(options.output, [*columns, *VERDICT_COLUMNS], rows)
    _print_score([options.run], as_json=False)
    return 0 if done else EXIT_INCOMPLETE


def _score(options: argparse.Namespace) -> int:
    if options.disagreements:
        _write_disagreements(options.target, options.disagreements)
    _print_score(
        options.target,
        as_json=options.json,
        compat=options.compat,
        published=options.published,
        judges=options.judge,
    )
    return 0


def _write_disagreements(targets: list[Path], output: Path) -> None:
    from jasco.reports.disagreements import write_disagreements
    from jasco.runs.results import judged_items_of_files, judged_items_of_run, see_targets

    see_targets(targets, together=True)
    if targets[0].is_dir():
        if len(targets) > 1:
            raise InputError("--disagreements takes one run, or the judged CSV files of one model")
        items = judged_items_of_run(targets[0])
    else:
        items = judged_items_of_files(targets)
    written = write_disagreements(output, items)
    _say(f"{output}: {count(written, 'item')} on which the judges differ")


def _compare(options: argparse.Namespace) -> int:
    from jasco.reports.comparison_table import render_comparison, summarise_comparison
    from jasco.runs.results import results_of

    if len(options.target) < 2:
        raise InputError(
            f"compare takes two models or more, {options.target[0]} is one; give another run or "
            "CSV file beside it"
        )
    results = results_of(options.target, judges=options.judge)
    summary = summarise_comparison(results, anyway=options.anyway)
    _print(summary, render_comparison, as_json=options.json)
    _say_what_is_missing(summary)
    return 0


_FORMATS = {
    "html": ".html", "markdown": ".md", "latex": ".tex", "csv": ".csv", "json": ".json",
}  # fmt: skip


def _report(options: argparse.Namespace) -> int:
    form = options.format or _format_of(options.output)
    if options.output:
        _see_that_it_can_be_written(options.output, options.target)
    if form == "html":
        return _report_page(options)
    if options.audio != "embed":
        raise InputError(f"--audio is for the page, not for --format {form}; leave it out")
    from jasco.reports.exports import export, summarise_report
    from jasco.runs.results import results_of

    report = summarise_report(results_of(options.target, judges=options.judge))
    text = export(report, form)
    if options.output:
        from jasco.data.csv_files import whole_file

        with whole_file(Path(os.path.realpath(options.output))) as file:  # a link stays one
            file.write(text)
    elif form == "json" and not is_utf8(sys.stdout):
        print(json.dumps(report, indent=2))
    else:
        print(text, end="")
    _say_what_is_missing(report)
    return 0


def _report_page(options: argparse.Namespace) -> int:
    if not options.output:
        raise InputError("the page is a file: name it, -o PAGE.html; other formats are printed")
    try:
        from jasco.reports.page.content import open_shown
        from jasco.reports.page.render import render_page
    except ModuleNotFoundError as error:
        raise InputError(f"the page needs {error.name}: pip install 'jasco[viewer]'") from error
    from jasco.data.csv_files import whole_file

    shown = open_shown(options.target, options.judge)
    page = render_page(shown, audio=options.audio == "embed")
    with whole_file(Path(os.path.realpath(options.output))) as file:
        file.write(page)
    size = options.output.stat().st_size / 1e6
    _say(f"{options.output}: {size:.1f} MB; open it in a browser, or send it")
    for name, each in shown.items():
        if not each.results.complete:
            _say(f"{name}: incomplete; the page says what is missing")
    return 0


def _view(options: argparse.Namespace) -> int:
    try:
        from jasco.viewer.app import view
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "jasco":
            raise
        raise InputError(f"view needs {missing}: pip install 'jasco[viewer]'") from None
    view(
        options.run, _say, data=options.data, human_runs=options.keep, host=options.host,
        port=options.port, browser=not options.no_browser,
    )  # fmt: skip
    return 0


def _format_of(output: Path | None) -> str:
    if output is None:
        return "html"
    for form, suffix in _FORMATS.items():
        if output.suffix.lower() == suffix:
            return form
    raise InputError(
        f"{output}: its end names no format; end it in {', '.join(_FORMATS.values())}, or give "
        "--format"
    )


def _see_that_it_can_be_written(output: Path, targets: list[Path]) -> None:
    if not output.parent.is_dir():
        raise InputError(f"{output}: there is no folder {output.parent}; make it first")
    if output.exists() and not output.is_file():
        raise InputError(f"{output}: no file, and not to be replaced by one; name another -o")
    from jasco.runs.results import files_of_model, see_targets

    see_targets(targets)
    read = [path for target in targets for path in files_of_model(target)[1]]
    if os.path.realpath(output) in map(os.path.realpath, read):
        raise InputError(f"{output}: the report would replace what it is about; name another -o")


def _exam(options: argparse.Namespace) -> int:
    from jasco.judges.panel import open_judges

    judges = open_judges(options.judge)
    if options.json and len(judges) > 1:
        raise InputError("--json takes one judge; examine the panel's one by one")
    from jasco.backends.limits import read_limits
    from jasco.backends.prices import read_price_list
    from jasco.runs.spending import exam_budget

    limits = read_limits(options.max_calls, options.max_tokens, options.max_cost)
    budget = exam_budget(limits, read_price_list(options.price_in, options.price_out), judges)
    return max([_examine(judge, options, budget) for judge in judges])


def _examine(judge: "Judge", options: argparse.Namespace, budget: "Budget") -> int:
    from jasco.data.fetching import find_data
    from jasco.judge_exam.exam import Exam, exam_result, keep_result, take_exam
    from jasco.protocol.protocols import PROTOCOLS, protocol_named
    from jasco.protocol.responses import Failure
    from jasco.reports.exam import render_exam, summarise_exam
    from jasco.reports.spending import spending_line, summarise_spending
    from jasco.runs.exam_records import ExamStore
    from jasco.runs.spending import Spending

    judge.budget = budget
    protocol = protocol_named(options.protocol or next(iter(PROTOCOLS)))
    data = find_data(options.data, _say)
    exam = Exam.about(data, protocol, judge, options.gold)
    if exam.labels and exam.labels.by_id:
        _say(f"{options.gold}: no column clip_sha; rows are joined by id, right or wrong")
    failed: list[Failure] = []
    with closing(ExamStore.of_user()) as store:
        try:
            with _stdout_kept_clean():
                take_exam(
                    judge,
                    exam,
                    store,
                    options.concurrency,
                    failed,
                    again=options.again,
                    notify=_say,
                )
        except IncompleteError as reason:
            _say(one_line(reason, 1000))
        result = exam_result(judge, exam, store, failed)
        summary = summarise_exam(result)
        keep_result(judge, exam, store, summary)
    _print(summary, render_exam, as_json=options.json)
    if line := spending_line(summarise_spending(Spending(budget.spent, budget.prices))):
        _say(line)
    return 0 if result.left == 0 else EXIT_INCOMPLETE


def _forget(options: argparse.Namespace) -> int:
    from jasco.runs.forget import forget

    forgotten = forget(options.run, options.judge, clips=options.clip, failed=options.failed)
    if forgotten.backup is None:
        _say(f"{options.run}: there is nothing to remove; the run stays as it is")
        return 0
    verdicts = count(forgotten.rows, "verdict")
    what = f"{count(forgotten.answers, 'answer')} and {verdicts}"
    if forgotten.judge is not None:
        what = f"{verdicts} of {forgotten.judge}"
        if not options.clip and not options.failed:
            what = f"{forgotten.judge} with {verdicts}"
    _say(f"{options.run}: removed {what}; the run as it was is {forgotten.backup}")
    return 0


def _show(options: argparse.Namespace) -> int:
    from jasco.evaluation.item_record import show
    from jasco.reports.item_text import as_json, render_item

    shown = show(options.run, options.clip, options.prompt)
    print(as_json(shown) if options.json else render_item(shown))
    return 0


def _data_fetch(options: argparse.Namespace) -> int:
    from jasco.data.fetching import fetch

    print(fetch(options.folder, _say))
    return 0


def _data_verify(options: argparse.Namespace) -> int:
    from jasco.data.fetching import find_data, verify

    for line in verify(find_data(options.data, _say)):
        print(line)
    return 0


def _data_template(options: argparse.Namespace) -> int:
    from jasco.data.audio import count_frames
    from jasco.data.csv_files import write_table
    from jasco.data.fetching import find_data
    from jasco.data.responses_csv import COLUMNS, template_rows

    data = find_data(options.data, _say)
    paths = {clip.id: data.audio_path(clip) for clip in data.clips}
    frames = {id_: count_frames(path) for id_, path in paths.items() if path}
    write_table(options.output, COLUMNS, template_rows(data, frames))
    _say(f"{options.output}: fill in allm_output, then: jasco judge {options.output} --help")
    return 0


def _convert(options: argparse.Namespace) -> int:
    from jasco.data.dataset import MINI
    from jasco.data.fetching import find_data
    from jasco.models.ports.checkpoint import check, convert

    if options.check:
        for line in check(options.check, find_data(MINI, _say)):
            print(line)
        return 0
    if not options.system:
        raise InputError("write: jasco convert SYSTEM --from PART=PATH ... --out DIR")
    convert(options.system, options.source, options.out, trusted=options.trust_pickle)
    _say(f"{options.out}: converted; see that it is whole: jasco convert --check {options.out}")
    return 0


def _list_models(_: argparse.Namespace) -> int:
    from jasco.diagnostics.listings import render_models

    print(render_models(), end="\n\n")
    return _print_providers("model")


def _list_judges(_: argparse.Namespace) -> int:
    from jasco.judges.panel import PANELS

    status = _print_providers("judge")
    for name, models in PANELS.items():
        print(name, f"The published panel: {', '.join(models)}.", sep="\n  ")
        print(
            "    base_url=...  one address for all, or one each; without, vllm serves them in turn"
        )
    return status


def _doctor(_: argparse.Namespace) -> int:
    from jasco.diagnostics.doctor import examine

    for line in examine():
        print(line)
    return 0


# --- what commands share ---


def _job(options: argparse.Namespace) -> "Job":
    from jasco.backends.limits import read_limits
    from jasco.backends.prices import read_price_list
    from jasco.backends.specs import open_spec
    from jasco.data.fetching import find_data
    from jasco.evaluation.evaluate import Job
    from jasco.judges.panel import open_judges
    from jasco.protocol.protocols import protocol_named

    if options.protocol:
        protocol_named(options.protocol)
    limits = read_limits(options.max_calls, options.max_tokens, options.max_cost)
    prices = read_price_list(options.price_in, options.price_out)
    data = find_data(options.data, _say) if isinstance(options.data, str) else options.data
    return Job(
        run=options.run,
        data=data,
        model=open_spec("model", options.model) if options.model else None,
        judges=[judge for text in options.judge for judge in open_judges(text)],
        protocol=options.protocol,
        limit=options.limit,
        concurrency=options.concurrency,
        preflight=not options.no_preflight,
        retry_final=options.retry_final,
        limits=limits,
        prices=prices,
    )


def _evaluate(job: "Job") -> bool:
    from jasco.evaluation.evaluate import evaluate

    with _stdout_kept_clean():
        return evaluate(job, _say)


@contextmanager
def _stdout_kept_clean() -> Iterator[None]:
    """Send to stderr what a model prints, in Python or below: stdout is for results."""
    sys.stdout.flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(ours, 1)
        os.close(ours)


def _evaluate_and_score(job: "Job", *, as_json: bool, published: bool = False) -> int:
    try:
        done = _evaluate(job)
    except IncompleteError as reason:
        _say(one_line(reason, 1000))
        with suppress(InputError, IncompleteError):  # there may be nothing to show yet
            _print_score([job.run], as_json=as_json, published=published, brief=True)
        return EXIT_INCOMPLETE
    _print_score([job.run], as_json=as_json, published=published)
    return 0 if done else EXIT_INCOMPLETE


def _print_plan(job: "Job", *, as_json: bool) -> int:
    from jasco.evaluation.plan import plan

    lines = list(plan(job))
    print(json.dumps({"schema": 1, "plan": lines}, indent=2) if as_json else "\n".join(lines))
    return 0


def _print_score(
    targets: list[Path],
    *,
    as_json: bool,
    compat: bool = False,
    published: bool = False,
    judges: Sequence[str] = (),
    brief: bool = False,
) -> None:
    from jasco.reports.summary import summarise
    from jasco.reports.table import render
    from jasco.runs.results import results_of

    results = results_of(targets, together=True, compat=compat, judges=judges)
    summary = summarise(results, published=published)
    _print(summary, render, as_json=as_json)
    if not brief:
        _say_what_is_missing(summary)


def _print(
    summary: dict[str, Any], render: Callable[[dict[str, Any]], str], *, as_json: bool
) -> None:
    if as_json:
        print(json.dumps(summary, indent=2, ensure_ascii=not is_utf8(sys.stdout)))
    else:
        print(render(summary))


def _say_what_is_missing(summary: dict[str, Any]) -> None:
    from jasco.reports.table import missing

    if lacking := "; ".join(missing(summary)):
        _say(f"incomplete: {lacking}")


def _print_providers(kind: "Kind") -> int:
    from jasco.backends.specs import LABEL, providers

    for name, point in sorted(providers(kind).items()):
        provider = point.load()
        first_line = (provider.__doc__ or "").strip().splitlines()[0]
        print(f"{name}/{provider.NAME}" if provider.NAME else name, first_line, sep="\n  ")
        for option in provider.OPTIONS if provider.raw_name else (*provider.OPTIONS, LABEL):
            key = f"{option.name}.KEY" if option.family else option.name
            print(f"    {key}=...  {option.help}{_default(option.default)}")
        if provider.launches_server:
            print(
                "    serve.KEY=...  handed on to the server as --KEY; serve.command=PATH names it"
            )
    return 0


def _default(value: Any) -> str:
    if value is None:
        return ""
    return f" (default {str(value).lower() if isinstance(value, bool) else value})"


# --- the parser ---


class _Parser(argparse.ArgumentParser):
    """Complains in one line, as everything else does."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if message:  # argparse ignores a failed write; here it is reported
            (file or sys.stderr).write(message)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(
                action,
                f"invalid choice: {value!r} (choose from {', '.join(names)})"
                f"{did_you_mean(str(value), names)}",
            )

    def error(self, message: str) -> NoReturn:
        from jasco.backends.secrets import mask_spec  # a key may have been typed by mistake

        self.exit(2, f"jasco: {one_line(mask_spec(message), 1000)}; see: {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser(
        "jasco",
        description="Evaluate auditory language models on joint audio-speech co-reasoning.",
        epilog="Exit status: 0 done; 2 wrong input; 3 refused; 4 the same command may finish what "
        "is left; 130 interrupted, resumable.",
    )
    parser.add_argument("--version", action="version", version=f"jasco {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_eval(commands)
    _add_respond(commands)
    _add_judge(commands)
    _add_score(commands)
    _add_compare(commands)
    _add_report(commands)
    _add_view(commands)
    _add_exam(commands)
    _add_show(commands)
    _add_forget(commands)
    _add_data(commands)
    _add_convert(commands)
    for name, command, what in (
        ("models", _list_models, "models"),
        ("judges", _list_judges, "judges"),
    ):
        listing = commands.add_parser(
            name, help=f"list the {what} that can be named, with their options"
        )
        listing.set_defaults(command=command)
    doctor = commands.add_parser("doctor", help="what is installed here, and what is missing")
    doctor.set_defaults(command=_doctor)
    return parser


def _add_eval(commands: "Commands") -> None:
    parser = commands.add_parser(
        "eval", help="let a model answer, have the answers judged, print the scores"
    )
    _add_answering(parser)
    _add_judging(parser)
    _add_showing(parser)
    parser.set_defaults(command=_eval)


def _add_respond(commands: "Commands") -> None:
    parser = commands.add_parser("respond", help="let a model answer, without judging")
    _add_answering(parser)
    parser.set_defaults(command=_respond, judge=[], protocol=None)


def _add_judge(commands: "Commands") -> None:
    parser = commands.add_parser("judge", help="judge the answers of a run or of a responses CSV")
    parser.add_argument(
        "target",
        type=Path,
        metavar="RUN|RESPONSES.csv",
        help="the folder of a run, or a CSV file with answers in the column allm_output",
    )
    _add_judging(parser)
    _add_concurrency(parser)
    parser.add_argument(
        "--no-preflight",
        action="store_true",
        help="do not first ask each judge a question whose verdict is known",
    )
    _add_retrying(parser)
    _add_spending(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="JUDGED.csv",
        help="where the verdicts on a responses CSV go: its columns and judge_output, rating, "
        "orientation (a run keeps its own)",
    )  # fmt: skip
    parser.set_defaults(command=_judge, limit=None)


def _add_choosing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--judge",
        action="append",
        default=[],
        metavar="JUDGE",
        help="whose verdicts count, as tables name it; may be repeated (default: all)",
    )


def _add_score(commands: "Commands") -> None:
    parser = commands.add_parser(
        "score",
        help="score runs, or judged CSV files",
        description="Score runs, or judged CSV files: several files are several judges of a model.",
    )
    parser.add_argument("target", type=Path, nargs="+", metavar="RUN|JUDGED.csv")
    _add_showing(parser)
    parser.add_argument(
        "--compat", action="store_true", help="the published script's arithmetic, bug for bug"
    )
    _add_choosing(parser)
    parser.add_argument(
        "--disagreements", type=Path, metavar="OUT.csv", help="write where judges differ most"
    )
    parser.set_defaults(command=_score)


def _add_compare(commands: "Commands") -> None:
    parser = commands.add_parser(
        "compare",
        help="compare models, paired over clips",
        description="Compare models, paired over clips: a run, or a judged CSV file, is a model; "
        "NAME=A.csv+B.csv is one with two judges.",
    )
    parser.add_argument("target", type=Path, nargs="+", metavar="RUN|JUDGED.csv")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--anyway", action="store_true", help="even if data, protocol or judges differ"
    )
    _add_choosing(parser)
    parser.set_defaults(command=_compare)


def _add_report(commands: "Commands") -> None:
    parser = commands.add_parser(
        "report",
        help="write a page, or tables for a paper",
        description="Write figures and comparisons as a page, as tables for a paper or a README, "
        "or as data: a run, or a judged CSV file, is a model; NAME=A.csv+B.csv is one with two "
        "judges.",
    )
    parser.add_argument("target", type=Path, nargs="+", metavar="RUN|JUDGED.csv")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="its end tells the format, too"
    )
    parser.add_argument("--format", choices=_FORMATS, help="default: html, or what FILE ends in")
    parser.add_argument(
        "--audio", choices=("none", "embed"), default="embed", help="the page's (default: embed)"
    )
    _add_choosing(parser)
    parser.set_defaults(command=_report)


def _add_view(commands: "Commands") -> None:
    parser = commands.add_parser(
        "view",
        help="look through runs, label answers, listen yourself",
        description="Serve a local web app: runs to look through while they go on, answers on "
        "which judges differ to label, clips to listen to and to guess about.",
    )
    parser.add_argument("run", type=Path, nargs="*", metavar="RUN", help="need not be there yet")
    parser.add_argument(
        "--port", type=_port, default=8700, metavar="N", help="default: 8700; 0 takes a free one"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS",
        help="to listen on (default: 127.0.0.1); visitors of any other need the token it prints",
    )  # fmt: skip
    parser.add_argument(
        "--data", metavar="DATA", help="to listen to (default: that of the runs, or mini)"
    )
    parser.add_argument(
        "--keep", type=Path, default=Path("runs", "human"), metavar="DIR",
        help="where listeners' runs are (default: runs/human)",
    )  # fmt: skip
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.set_defaults(command=_view)


def _add_exam(commands: "Commands") -> None:
    parser = commands.add_parser(
        "exam",
        help="examine a judge",
        description="Examine a judge: on a data set's own answers, on answers that deserve "
        "nothing, and on labelled rows. What it said is kept; asking again costs nothing.",
    )
    parser.add_argument("judge", metavar="JUDGE", help="provider/name[,key=value...]")
    parser.add_argument("--data", required=True, metavar="DATA", help=_DATA_HELP)
    parser.add_argument(
        "--gold", type=Path, metavar="GOLD.csv", help="rows labelled by people, to compare with"
    )
    parser.add_argument("--protocol", metavar="NAME", help=_PROTOCOL_HELP)
    _add_concurrency(parser)
    _add_spending(parser, "this command")
    parser.add_argument(
        "--again", action="store_true", help="ask everything anew: the server has another model"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_exam)


def _add_forget(commands: "Commands") -> None:
    parser = commands.add_parser(
        "forget",
        help="remove a judge, or answers and verdicts, from a run",
        description="Remove from a run a judge with its verdicts, or answers and verdicts that the "
        "same command is to make again. A copy of the run as it was is kept beside it.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--judge", metavar="JUDGE", help="as tables name it; with --clip or --failed, only those"
    )
    parser.add_argument(
        "--clip", action="append", default=[], metavar="ID",
        help="answers and verdicts of a clip; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--failed", action="store_true", help="failures, final ones too, and unreadable verdicts"
    )
    parser.set_defaults(command=_forget)


def _add_show(commands: "Commands") -> None:
    parser = commands.add_parser(
        "show",
        help="show what was sent and answered about one item",
        description="Show one item of a run: what the model and the judges were sent, and all that "
        "they answered.",
    )
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--clip", required=True, metavar="ID", help="the clip's id")
    parser.add_argument("--prompt", required=True, metavar="N", help="1 to 8")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_show)


def _add_data(commands: "Commands") -> None:
    data = commands.add_parser("data", help="fetch, verify and lay out data sets")
    parts = data.add_subparsers(required=True, metavar="COMMAND")
    fetch = parts.add_parser("fetch", help="bring the published data set (CC BY-NC 4.0)")
    fetch.add_argument(
        "folder", type=Path, nargs="?", metavar="DIR", help="where to (default: the cache)"
    )
    fetch.set_defaults(command=_data_fetch)
    verify = parts.add_parser("verify", help="look at every clip of a data set")
    verify.add_argument("data", metavar="DATA", help=_DATA_HELP)
    verify.set_defaults(command=_data_verify)
    template = parts.add_parser("template", help="write the CSV to fill in")
    template.add_argument("data", metavar="DATA", help=_DATA_HELP)
    template.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.csv")
    template.set_defaults(command=_data_template)


def _add_convert(commands: "Commands") -> None:
    parser = commands.add_parser(
        "convert",
        help="make a folder of a published system's files",
        description="Make a folder of the published files of SALMONN, LTU-AS or WavLLM, which "
        "salmonn/DIR, ltu-as/DIR and wavllm/DIR run.",
    )
    parser.add_argument("system", nargs="?", metavar="SYSTEM", help="salmonn, ltu-as or wavllm")
    parser.add_argument(
        "--from", dest="source", action="append", default=[], metavar="PART=PATH",
        help="a part; without any, the parts are listed",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="a new folder")
    parser.add_argument(
        "--trust-pickle", action="store_true", help="let files run code of their own when read"
    )
    parser.add_argument("--check", type=Path, metavar="DIR", help="see that a folder is whole")
    parser.set_defaults(command=_convert)


_PROTOCOL_HELP = "v2 (default) or v1"
_DATA_HELP = "folder that holds dataset/v0/v0.csv, or a name: watd, mini"


def _add_answering(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="provider/name[,key=value...]; see: jasco models"
    )
    parser.add_argument("--data", required=True, metavar="DATA", help=_DATA_HELP)
    parser.add_argument(
        "--run",
        required=True,
        type=Path,
        metavar="RUN",
        help="folder for all answers and verdicts; created if missing, continued if it exists",
    )
    parser.add_argument(
        "--limit",
        type=_positive,
        metavar="CLIPS",
        help="use only this many clips, from the first on",
    )
    _add_concurrency(parser)
    parser.add_argument(
        "--no-preflight",
        action="store_true",
        help="check neither that the model uses the audio nor that each judge can be used",
    )
    _add_retrying(parser)
    _add_spending(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and do nothing"
    )


def _add_judging(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--judge",
        action="append",
        required=True,
        metavar="JUDGE",
        help="provider/name[,key=value...]; may be repeated: a panel; see: jasco judges",
    )
    parser.add_argument("--protocol", metavar="NAME", help=_PROTOCOL_HELP)


def _add_concurrency(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--concurrency", type=_positive, default=16, metavar="N", help="calls at once (default: 16)"
    )


def _add_retrying(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--retry-final",
        action="store_true",
        help="ask again what is final: unreadable verdicts, content filters, refused input",
    )


def _add_spending(
    parser: argparse.ArgumentParser, whose: str = "the run, earlier commands included,"
) -> None:
    for name, what in (
        ("calls", "HTTP requests"),
        ("tokens", "prompt and completion tokens"),
        ("cost", "cost, in the currency of the prices"),
    ):
        parser.add_argument(
            f"--max-{name}",
            metavar="N",
            help=f"stop before {whose} exceeds this limit of {what}",
        )
    for way in ("in", "out"):
        parser.add_argument(
            f"--price-{way}",
            action="append",
            default=[],
            metavar="[NAME=]PRICE",
            help=f"price per million tokens {way}, for all or for one NAME; may be repeated",
        )


def _add_showing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--published", action="store_true", help="show the published results as well"
    )


def _positive(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 to 65535")
    return int(text)
