"""Any predictions, from whatever code, held against the labels at hand: `rescore judge`.

    file ─► predicted ─┐
                       ├─► samples (joined; what is odd) ─► measures ─► judge (baselines, verdict, difference) ─► report
    labels ─► references┘

No video, no framework.
"""
