"""rescore reruns the experiments of action-quality-assessment papers and holds each reported number against a recomputed one.

The rooms, from left to right; a module imports only from its own room or from rooms to its left:

    errors, storage, parameters, provenance  >  sources  >  manifests  >  clips  >  models  >  features
    >  training  >  experiments  >  scoring  >  reporting  >  cli
"""

__version__ = "1.0.0"
