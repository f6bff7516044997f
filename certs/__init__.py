"""Identity and trust: the certificate authority, and mutual TLS as the agent and the relay both use it.

Imports nothing of ours. Nothing is loaded by `import certs`; take what is needed from its module.
"""
