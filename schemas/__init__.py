"""The vocabulary of Tingchao: records, topics, errors. Imports pydantic only."""
