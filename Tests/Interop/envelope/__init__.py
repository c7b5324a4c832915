"""A second decryptor for EnvelopeFS vaults, written from Docs/FORMAT.md and Docs/FORMAT-KEYS.md alone.

It shares no line with the Swift program: that both read the same vaults is the proof that the documents say everything.
"""
