"""Judge exams: the questions, the calls to the judge, and the result."""
