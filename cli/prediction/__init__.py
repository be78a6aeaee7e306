"""What factornet-predict is made of: its options, its bins, and its two forms, one file and a folder of files.

    bins        the bins or intervals to predict, from the options
    many_files  predict many factors into a folder, in one pass
    one_file    predict one factor into one file
    options     the options of factornet-predict, and which form they ask for
    progress    count predicted windows, and show their rate
    workers     workers of a prediction, from the options

May import `etl`, `store` and `cli.common`; and `model`, which takes a second, in functions only.
"""
