"""The synthetic athlete: seeded videos of an articulated body whose score follows from what the video shows.

```
 judging ──► difficulty, quality elements, score      (what happens, and what the judges see of it)
    │
 body ─► choreography ─► scenes ─► render ─► encode ─► generate
 (pose)  (metres)        (camera)  (pixels)  (files)   (index, manifest)
            ▲
         motions                                        (the pre-training set: labels, no scores)
```

The synthetic diver (MTL-AQA's counterpart) shares bodies, judging and rendering:
```
 dive_counts ─► programme ─► shots ─► broadcasts              (files, index, manifest, splits, vocabulary)
 (classes)      (labels)     ▲  ▲        ▲   ▲
                         pools  staging  │   training_sets
                                         dive_commentary
```
"""

__version__ = "1.0.0"
"""A part of what the videos, joints, stages and marks are made from: raise it with every change that changes one of them."""
