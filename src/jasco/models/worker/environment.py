"""The environment variables that are passed to a worker: a fixed list and the user's choice."""

import re
from collections.abc import Mapping, Sequence

from jasco.errors import InputError

NAMES = frozenset(
    ("CC", "COLUMNS", "CURL_CA_BUNDLE", "CXX", "HOME", "HOSTNAME", "LANG", "LANGUAGE",
     "LOADEDMODULES", "LOGNAME", "MODULEPATH", "MPLBACKEND", "MPLCONFIGDIR", "PATH", "PWD",
     "REQUESTS_CA_BUNDLE", "SHELL", "TEMP", "TERM", "TMP", "TMPDIR",
     "TOKENIZERS_PARALLELISM", "TZ", "USER",
     "ALL_PROXY", "FTP_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
)  # fmt: skip
"""Variables that are passed on, also in lower case."""
PREFIXES = (
    "APPTAINER", "CONDA", "CUBLAS", "CUDA", "CUDNN", "GOMP_", "GPU_", "HF_", "HIP_", "HSA_",
    "HUGGINGFACE_", "JASCO_", "JAX_", "KMP_", "LC_", "LD_", "LMOD_", "MAMBA", "MIOPEN_", "MKL_",
    "NCCL_", "NUMBA_", "NUMEXPR_", "NVIDIA_", "OMP_", "ONEAPI_", "OPENBLAS_", "PYENV", "PYTHON",
    "PYTORCH_", "ROCM_", "ROCR_", "SINGULARITY", "SLURM_", "SSL_CERT_", "TF_", "TORCH",
    "TRANSFORMERS_", "TRITON_", "VIRTUAL_ENV", "VLLM_", "XDG_", "XLA_", "ZE_",
)  # fmt: skip
"""Prefixes of variables that are passed on, unless they may contain a secret."""
_SECRET = re.compile("KEY|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|AUTH|COOKIE")


def environment_for(environment: Mapping[str, str], wanted: Sequence[str] = ()) -> dict[str, str]:
    """Return the variables of an environment that are passed to a worker.

    Parameters
    ----------
    environment : mapping of str to str
        The environment of jasco.
    wanted : sequence of str
        Names of further variables, even if they contain secrets.

    Raises
    ------
    InputError
        A wanted variable is not set.
    """
    for name in wanted:
        if name not in environment:
            raise InputError(f"env={name}: environment variable is not set; set it first")
    return {
        name: value
        for name, value in environment.items()
        if name in wanted
        or name.upper() in NAMES
        or (name.startswith(PREFIXES) and not is_secret(name))
    }


def is_secret(name: str) -> bool:
    """Return whether a variable of this name may contain a secret."""
    return bool(_SECRET.search(name.upper()))


def variable(text: str) -> str:
    """Parse the name of an environment variable (``ValueError`` if it is invalid)."""
    if not (text.isascii() and text.isidentifier()):
        raise ValueError("expected the name of an environment variable")
    return text
