"""The synthetic athlete: seeded videos of an articulated body whose score follows from what the video shows.

```
 judging ──► difficulty, quality elements, score      (what happens, and what the judges see of it)
    │
 body ─► choreography ─► scenes ─► render ─► encode ─► generate
 (pose)  (metres)        (camera)  (pixels)  (files)   (index, manifest)
            ▲
         motions                                        (the pre-training set: labels, no scores)
```
"""
