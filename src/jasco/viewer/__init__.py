"""The viewer: a web app on one's own machine to look, to label and to listen.

* :mod:`.security`: who may ask, and what an answer may do in a browser;
* :mod:`.live`: runs that are read again as they grow;
* :mod:`.browse`: the report page, live;
* :mod:`.disagreements`: where judges differ, labelled by people;
* :mod:`.listening`: people answer what models were asked; :mod:`.data`: what there is to hear;
* :mod:`.pages`, :mod:`.sending`, :mod:`.forms`: what goes to the browser and comes from it;
* :mod:`.app`: the routes put together;
* :mod:`.server`: the command.

Handlers are plain functions that the framework runs in threads: files and databases are read while
others are served. Needs the extra ``viewer``.
"""
