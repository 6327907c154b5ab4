"""One module a role: how it is built from settings and run.

``pipeline.worker`` imports the one that its process needs and no other: Faust, the Elasticsearch
client and httpx each take longer to import than a role takes to start.
"""
