"""rescore reruns the experiments of action-quality-assessment papers and holds each reported number against a recomputed one.

The layers, from left to right; a module imports only from its own layer or from layers to its left:

    engine  >  sources  >  manifests  >  clips  >  models  >  features  >  training  >  systems  >  experiments
    >  scoring  >  reporting  >  judging  >  cli
"""

__version__ = "1.0.0"
