"""REST APIs of API Gateway, as requests meet them: `gateway` is the way through, the others are its steps."""
