"""Parts of ``factornet-evaluate``.

    baseline_options  choose what baselines use and what they are fitted on, and score bins by them

May import `cli.common` and what lies below it; and `model`, which takes a second, in functions only.
"""
