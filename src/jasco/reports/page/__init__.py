"""The report page: a single file that shows all results and opens without a network.

* :mod:`.content`: the content by clip, compressed for the browser;
* :mod:`.sounds`: waveforms, spectrograms, speech and audio of clips;
* :mod:`.charts`: the charts and their data;
* :mod:`.sections`: the tables and texts of the page;
* :mod:`.render`: rendering of the templates (``templates/``, ``static/``).

Needs the extra ``viewer``.
"""
