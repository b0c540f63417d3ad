"""The report page: a single file that shows all results and opens without a network.

* :mod:`.content`: the content by clip, compressed for the browser;
* :mod:`.sounds`: waveforms, spectrograms, speech and audio of clips;
* :mod:`.plots`, :mod:`.line_charts`, :mod:`.heat_maps`: figures placed on axes;
* :mod:`.charts`, :mod:`.reliance_charts`: the tables with plots;
* :mod:`.sections`: the tables and texts of the page;
* :mod:`.render`: rendering of the templates (``templates/``, ``static/``).

Needs the extra ``viewer``.
"""
