"""
More processes at the sockets (`[daemon] workers`): fronts, which answer what was answered before, and the keeper, which is the daemon as ever.

A front accepts connections at the same sockets as the keeper and knows ready answers, each of which the keeper gave it. A request that it does not know
it asks the keeper about; where that has no ready answer either, the front gives it the connection itself, with the bytes that were read. So everything
that takes thought happens in one process: there is one truth, one clock, one log, one flight for each file. See `docs/howto/workers.rst`.
"""
