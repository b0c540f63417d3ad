"""Joint audio-speech co-reasoning (JASCO): evaluate auditory large language models.

Data flows one way through the packages, which are named for what they hold::

    benchmark -> providers -> models, judges -> evaluation -> reports

``benchmark`` says what is measured, ``providers`` reaches what is outside, ``models`` answer,
``judges`` mark the answers, ``evaluation`` runs it all into one folder, ``reports`` shows it.
"""

__version__ = "0.1.0"
