"""Train a network: set-up, epochs, early stopping, exact resume, several processes.

May import `model.evaluation` and what lies below it.
"""
