"""The proof that nothing is lost: an oracle outside the system, and a nemesis that kills it.

Nothing here imports portaria.store: jobs go in through portaria.client, and Redis is looked at with
plain commands and literal key names.
"""
