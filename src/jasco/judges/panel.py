"""Panels: several judges with one name."""

from collections.abc import Sequence

from jasco.backends.secrets import mask_spec
from jasco.backends.specs import open_spec
from jasco.errors import InputError, count
from jasco.judges.judge import Judge

THREE_JUDGES = "three-judges"
PANELS: dict[str, Sequence[str]] = {
    THREE_JUDGES: (
        "meta-llama/Llama-3.1-70B-Instruct",
        "Qwen/Qwen2.5-72B-Instruct",
        "mistralai/Mistral-Large-Instruct-2411",
    )
}
"""The published panel of protocol v2."""
# As published, except the maximum length: 4,096 tokens are too few for long answers.
_SERVED_WITH = {"serve.tensor-parallel-size": "4", "serve.max-model-len": "8192"}


def open_judges(text: str) -> list[Judge]:
    """Return the judges that a spec names: one, or those of a panel.

    ``three-judges`` starts a vLLM server for each judge, one after the other.
    ``three-judges,base_url=URL`` reaches all of them through one gateway; three addresses are for
    one judge each, in the order of :data:`PANELS`. Other options apply to every judge.

    Raises
    ------
    InputError
        As in :func:`~jasco.backends.specs.open_spec`, or the number of addresses does not match the
        number of judges.
    """
    panel, *pairs = text.split(",")
    if panel not in PANELS:
        return [open_spec("judge", text, tuple(PANELS))]
    models = PANELS[panel]
    addresses = [pair for pair in pairs if pair.startswith("base_url=")]
    options = [pair for pair in pairs if pair not in addresses]
    if not addresses:
        keys = {pair.partition("=")[0] for pair in options}
        options += [f"{key}={value}" for key, value in _SERVED_WITH.items() if key not in keys]
        return [open_spec("judge", ",".join([f"vllm/{model}", *options])) for model in models]
    if len(addresses) == 1:
        addresses *= len(models)
    if len(addresses) != len(models):
        raise InputError(
            f"{mask_spec(text)!r}: {count(len(addresses), 'address')} for "
            f"{count(len(models), 'judge')}; give one base_url for all, or one for each in this "
            "order: "
            f"{', '.join(models)}"
        )
    return [
        open_spec("judge", ",".join([f"openai/{model}", *options, address]))
        for model, address in zip(models, addresses, strict=True)
    ]
