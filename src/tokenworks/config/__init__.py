"""The only reader of ``tokenworks.toml`` and of the environment."""
