"""What asking a model about routing decisions is worth, net of its price."""
