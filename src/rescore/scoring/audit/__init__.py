"""The audit: the papers' numbers and the released data held against themselves and each other, without any training.

    papers/<paper>/{tables/*.csv, claims, facts, aggregates, comparisons}.yaml ─┐
    released lists, annotations, splits, sheets (where at hand) ───────────┴► checks ─► findings ─► results/audit.csv

A file a family of checks: aggregates, text, differences (papers alone); counts, splits, windows, rule, predictors (released
data). Each check is general code over declared facts. docs/audit.md says how a finding is to be read.
"""
