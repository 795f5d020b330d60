"""Peers: the structures that hypervisors run, and others, built from sources behind the contract.

``recipes``
    Which there are, where their sources come from, under which licence.
``sources``
    Fetches sources at the user's wish, checks their digest, unpacks them in the user's cache.
``build``
    Compiles a shim with the sources; the library is a native tracker, ``peer:NAME`` on any axis.
"""
