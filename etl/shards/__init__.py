"""Write arrays shard by shard: tasks, labels, executors, and the journal that lets a build resume.

May import `etl.publish`, `etl.inputs` and `factornet.store`.
"""
