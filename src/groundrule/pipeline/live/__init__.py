"""The pipeline behind a service: observations in, answers out, one intake thread, ordinary runs behind it."""
