"""Parts of ``factornet-evaluate``.

    baseline_options  choose what baselines use and what they are fitted on, and score bins by them
    groups            evaluate the files of each factor and cell line together, here or on workers
    notes             collect what is to be printed: it may be computed in another process
    predictions       read predictions with their record, and check that they may be evaluated
    report            show comparisons as tables and as JSON

May import `cli.common` and what lies below it; and `model`, which takes a second, in functions only.
"""
