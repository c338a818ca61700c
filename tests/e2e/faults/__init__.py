"""The real gateway over a socket against targets that fail: every fault, in every form of answer, with and without help."""
