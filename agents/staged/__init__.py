"""The path of a request one stage at a time, on machines that share nothing but what travels between them."""
