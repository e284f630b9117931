"""One attempt at one target, in steps, each in a file of its own: dns, tcp, tls, http.

The network failing is a result; only a bug is an exception. Nothing here says why a thing failed, or keeps anything.
"""
