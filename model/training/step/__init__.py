"""Compute a step of a training: loss, gradients, Adam.

    gradients  forward and backward pass of a batch, kernel by kernel or as a CUDA graph
    loss       training loss and validation score
    optimizer  Adam as Keras 1 wrote it

May import `model.evaluation` and what lies below it.
"""
