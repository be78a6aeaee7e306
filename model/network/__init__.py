"""The FactorNet network and its layers, from a configuration.

May import `factornet.store` and torch.
"""
