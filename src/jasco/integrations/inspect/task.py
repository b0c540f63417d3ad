"""The task: one sample per item, its audio before its instruction."""

from pathlib import Path

from anyio import to_thread
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser, ContentAudio, ContentText, GenerateConfig
from inspect_ai.solver import Generate, Solver, TaskState, generate, solver

from jasco.api.data import load_dataset
from jasco.data.audio import read_known
from jasco.data.dataset import ANNOTATIONS, name_with_audio
from jasco.data.inspect_log import item_metadata
from jasco.errors import InputError
from jasco.integrations.inspect.scorer import is_proxy, open_panel, verdicts
from jasco.protocol.clips import Item, combined_sha256
from jasco.protocol.protocols import protocol_named
from jasco.runs.audio_manifest import AudioFacts, audio_facts
from jasco.version import __version__


@task
def jasco(data: str = "watd", judges: str | list[str] = "offline", protocol: str = "v2") -> Task:
    """Return the JASCO benchmark as a task.

    Parameters
    ----------
    data : str
        ``"watd"``, ``"mini"``, or a folder that contains ``dataset/v0/v0.csv``.
    judges : str or list of str
        The judges: models of Inspect, such as ``"openai/gpt-4o"``, or ``"offline"``.
    protocol : str
        The judging protocol: ``"v2"`` or ``"v1"``.

    Returns
    -------
    Task
        One sample per item. Samples that fail do not end the evaluation: they lower the coverage.

    Raises
    ------
    InputError
        The data set, a judge or the protocol is invalid, or the audio of a clip cannot be read.
    """
    data_set = load_dataset(data)
    name = protocol_named(protocol).name
    audio = audio_facts(data_set, data_set.clips)
    panel = open_panel(judges)
    hashes = {id_: facts.sha256 for id_, facts in audio.items()}
    data_name = name_with_audio(data_set.name, hashes)
    positions = {clip.id: position for position, clip in enumerate(data_set.clips)}
    samples = [
        _sample(item, positions[item.clip.id], audio[item.clip.id]) for item in data_set.items()
    ]
    return Task(
        dataset=MemoryDataset(samples, name=data_name),
        setup=clip_audio(str(data_set.folder)),
        solver=generate(),
        scorer=verdicts(judges, name),
        # The decoding of ``jasco eval``; options of ``inspect eval`` replace it.
        config=GenerateConfig(temperature=0, max_tokens=512),
        fail_on_error=False,
        score_on_error=True,  # or failed samples would not be counted as missing
        version=__version__,
        metadata={
            "data": data_name,
            "annotations_sha256": data_set.annotations_sha256,
            "audio_sha256": combined_sha256(hashes),
            "clips": len(data_set.clips),
            "items": len(samples),
            "protocol": name,
            "judges": list(panel),
            "proxy_judges": [label for label, judge in panel.items() if is_proxy(judge)],
            "jasco_version": __version__,
        },
    )


def _sample(item: Item, position: int, audio: AudioFacts) -> Sample:
    content = [ContentAudio(audio=audio.path, format="wav"), ContentText(text=item.instruction)]
    return Sample(
        id=f"{item.clip.id}-{item.number}",
        input=[ChatMessageUser(content=content)],
        target=item.clip.reference,
        metadata={**item_metadata(item, position), "audio_sha256": audio.sha256},
    )


@solver
def clip_audio(folder: str) -> Solver:
    """Return the setup that puts the very audio that was hashed into the message, as 16 kHz WAV.

    Parameters
    ----------
    folder : str
        The folder of the data set.
    """

    async def solve(state: TaskState, generate: Generate) -> TaskState:  # noqa: ARG001
        path = (Path(folder) / ANNOTATIONS).with_name(f"{state.metadata['clip']}.wav")
        audio = await to_thread.run_sync(read_known, path, state.metadata["audio_sha256"])
        if audio is None:
            raise InputError(f"{path}: the audio has changed since the evaluation began")
        sent, *rest = state.messages[0].content
        # Inspect has read the file by now. Audio that needs no conversion is not replaced, since
        # the log would hold both.
        if sent.audio.partition(",")[2] != audio.wav_base64:
            uri = f"data:audio/wav;base64,{audio.wav_base64}"
            state.messages[0].content = [ContentAudio(audio=uri, format="wav"), *rest]
        return state

    return solve
