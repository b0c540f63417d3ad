"""Which address a spec without ``base_url`` is asked at, and when that is not what was meant."""

from collections.abc import Mapping, Sequence

DEFAULT_ADDRESS = "https://api.openai.com/v1"
"""Where the client of OpenAI asks if neither a spec nor the environment has an address."""


def default_address_note(
    spec_name: str,
    base_urls: Sequence[str],
    environment: Mapping[str, str],
    key_variable: str | None = None,
) -> str | None:
    """Return why a spec can only fail at the default address, and what to do; None if it may work.

    Parameters
    ----------
    spec_name : str
        The name after ``openai/``.
    base_urls : sequence of str
        The addresses that the spec gives.
    environment : mapping
        The environment's variables: ``OPENAI_BASE_URL`` and the key's are looked at.
    key_variable : str or None
        The variable that ``api_key_env`` names; None is ``OPENAI_API_KEY``.

    Returns
    -------
    str or None
        A message without the spec in front. Only for names as on the Hugging Face hub
        (``ORGANISATION/MODEL``), which that server does not have, and without a key.

    Examples
    --------
    >>> default_address_note("gpt-4o-audio-preview", (), {}) is None
    True
    >>> default_address_note("Qwen/Qwen2-Audio-7B-Instruct", (), {})[:30]
    'asks https://api.openai.com/v1'
    """
    variable = key_variable or "OPENAI_API_KEY"
    if base_urls or "/" not in spec_name.strip("/"):
        return None
    if environment.get("OPENAI_BASE_URL", "").strip() or environment.get(variable, "").strip():
        return None
    return (
        f"asks {DEFAULT_ADDRESS}, because the spec has no base_url and OPENAI_BASE_URL is not set, "
        f"and there is no key for it; give base_url=http://HOST:PORT/v1, or set {variable}"
    )
