"""The commands: each turns options into one call and prints what came back."""
