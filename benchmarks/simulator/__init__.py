"""A world whose truth is known, so that what the product concludes from its log can be held against it."""
