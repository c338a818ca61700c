"""Messages of asynchronous requests over SNS and SQS: told of by AWS, kept in SQL."""
