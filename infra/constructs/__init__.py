"""One capability each: a table with its protection, a function with its role, a cache with its secret."""
