"""The viewer: a local web app to browse runs, to label answers and to listen to clips.

* :mod:`.security`: access to the app, and what its pages may do in a browser;
* :mod:`.live`: runs that are read again as they grow;
* :mod:`.browse`: the report page, live;
* :mod:`.annotating`: answers on which judges differ, annotated by participants;
* :mod:`.listening`: participants answer what models were asked, about the clips of
  :mod:`.listening_data`;
* :mod:`.web`: what goes to the browser, and what comes from it;
* :mod:`.app`: the routes put together;
* :mod:`.connections`: the limits of the server's connections.

Handlers are plain functions that the framework runs in threads: files and databases are read while
other requests are served. Needs the extra ``viewer``.
"""
