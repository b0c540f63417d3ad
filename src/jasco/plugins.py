"""The interface for packages that add models or judges.

A plug-in is a subclass of :class:`Model` or :class:`Judge`, registered by its package as an entry
point in the group ``jasco.models`` or ``jasco.judges``; see the guide *Write a plug-in*.
"""

from jasco.backends.fingerprints import file_fingerprint, folder_fingerprint
from jasco.backends.options import Option
from jasco.backends.secrets import mask, read_key
from jasco.backends.specs import Spec
from jasco.data.audio import Audio
from jasco.data.dataset import DataSet
from jasco.errors import IncompleteError, InputError
from jasco.judges.judge import Judge
from jasco.models.model import Model
from jasco.protocol.clips import Clip, Item
from jasco.protocol.protocols import Protocol
from jasco.protocol.responses import Failure, Response
from jasco.protocol.verdicts import Attempt, Judgement, Orientation, Verdict

__all__ = [
    "Attempt",
    "Audio",
    "Clip",
    "DataSet",
    "Failure",
    "IncompleteError",
    "InputError",
    "Item",
    "Judge",
    "Judgement",
    "Model",
    "Option",
    "Orientation",
    "Protocol",
    "Response",
    "Spec",
    "Verdict",
    "file_fingerprint",
    "folder_fingerprint",
    "mask",
    "read_key",
]
