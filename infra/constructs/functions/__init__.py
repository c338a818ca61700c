"""Functions of the product: their asset, roles, permissions, variables and parameters."""
