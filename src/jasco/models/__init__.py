"""Who answers: auditory LLMs, one module a kind, behind the interface of :mod:`.model`."""
