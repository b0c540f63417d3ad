"""Merging the shards of a run into one file."""

import json
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jasco.backends.budget import prices_as_json, spent_as_json
from jasco.errors import InputError
from jasco.runs.database import RunUnwritableError
from jasco.runs.locks import RunBusyError
from jasco.runs.reader import RunReader
from jasco.runs.shards import SHARDS_FACT, SHARDS_FOLDER
from jasco.runs.spending import PRICES, SPENT, Spending, spending_of
from jasco.runs.writer import RunWriter

_DRAFT = ".merging"


def merge(folder: Path) -> int:
    """Merge the shards of a run into its file, and remove the shards.

    The run is locked meanwhile, and each shard while it is copied. The merged file replaces that of
    the run when it is complete, so that nothing is lost if the process is killed.

    Parameters
    ----------
    folder : pathlib.Path
        The run's folder.

    Returns
    -------
    int
        Number of shards that were merged.

    Raises
    ------
    InputError
        There is no run, or it is not divided.
    RunConflictError
        Another process is writing to the run or a shard.
    RunUnwritableError
        The merged file cannot be written.
    """
    RunReader.open(folder).close()  # do not create a run
    draft = folder / _DRAFT
    with RunWriter.open(folder) as whole:
        if not whole.shards:
            shutil.rmtree(folder / SHARDS_FOLDER, ignore_errors=True)  # left by a killed merge
            raise InputError(f"{folder}: the run is not divided into shards; nothing to merge")
        shutil.rmtree(draft, ignore_errors=True)
        shards = whole.shard_folders()
        facts = OwnFacts()
        try:
            draft.mkdir()
            whole.copy_to(draft / "run.db")
            with RunWriter.open(draft) as merged:
                for shard_folder in shards:
                    with RunWriter.open(shard_folder) as shard:
                        facts.add(shard)
                        merged.add_rows_of(shard)
                merged.set_facts(facts.merged())
                merged.remove_fact(SHARDS_FACT)
            if whole.shard_folders() != shards:
                raise RunBusyError(f"{folder}: a shard has just been started; wait until it ends")
            (draft / "run.db").replace(folder / "run.db")
        except OSError as error:
            raise RunUnwritableError(
                f"{folder}: the shards cannot be merged ({error.strerror or error}); free some "
                "disk space and run the same command again"
            ) from None
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        for shard_folder in shards:
            shutil.rmtree(shard_folder)
        with suppress(OSError):
            (folder / SHARDS_FOLDER).rmdir()
    return len(shards)


class OwnFacts:
    """The facts that each shard has for itself."""

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}
        self._spending: list[Spending] = []

    def add(self, shard: RunReader) -> None:
        """Add the facts of a shard."""
        for name, value in shard.facts().items():
            self._values.setdefault(name, []).append(value)
        self._spending.append(spending_of(shard))

    def merged(self) -> dict[str, str]:
        """Return the facts of the whole run."""
        spending = Spending.sum(self._spending)
        merged = {SPENT: spent_as_json(spending.by), PRICES: prices_as_json(spending.prices)}
        for name, values in self._values.items():
            if name == "audio" or name.startswith("adaptations of "):
                merged[name] = json.dumps(_union(map(json.loads, values)), ensure_ascii=False)
            elif name == "runtime":
                listed = [facts for value in values for facts in json.loads(value)]
                distinct = [facts for n, facts in enumerate(listed) if facts not in listed[:n]]
                merged[name] = json.dumps(distinct)
            elif name.startswith(("exam of ", "source of ")) or name == "max_audio_seconds":
                merged[name] = values[0]
        return merged


def _union(mappings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: value for mapping in mappings for key, value in mapping.items()}
