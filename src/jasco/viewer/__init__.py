"""The viewer: a local web app to browse runs, label answers and listen to clips.

* :mod:`.security`: access to the app, and browser restrictions on its pages;
* :mod:`.catalogue`: the runs that the app may show, and :mod:`.runs_page`, their list;
* :mod:`.selections`: the reports of selected runs, each of which is :mod:`.live`, which means that
  it is read again when its runs change (:mod:`.refreshed`);
* :mod:`.browse`: the report page, with the :mod:`.progress` of runs;
* :mod:`.annotating`: annotation of the answers in a :mod:`.label_queue`;
* :mod:`.listening`: participants answer the same questions as models, about the clips of
  :mod:`.listening_data`, and see their :mod:`.listening_score`;
* :mod:`.web`: pages, audio, forms and cookies;
* :mod:`.app`: the application and its server;
* :mod:`.connections`: the limits of the server's connections.

Handlers are plain functions that the framework runs in threads, so files and databases are read
while other requests are served. Needs the extra ``viewer``.
"""
