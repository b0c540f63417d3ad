"""The page: one file that shows everything, opens without a network, and can be mailed.

* :mod:`.content`: what the page holds of each clip, packed for the browser;
* :mod:`.sounds`: what it shows and plays of a clip;
* :mod:`.charts`: the charts, with their numbers;
* :mod:`.sections`: the tables and sentences of the page;
* :mod:`.render`: the templates (``templates/``, ``static/``) filled in.

Needs the extra ``viewer``.
"""
