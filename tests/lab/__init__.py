"""A country in network namespaces, with censors that truly interfere: the whole of netdusk measures it.

Nothing here is simulated: names are looked up, connections are made, handshakes are done over real sockets; what a
provider does to them it does to their packets. `make lab` runs every censor and writes docs/lab.md.
"""
