"""Changes of the policy that somebody proposes: how far they may go, what speaks for them, and who decides on them."""
