"""AWS services beyond the stores: what they know of texts and documents, quotas, and the nodes that ECS runs."""
