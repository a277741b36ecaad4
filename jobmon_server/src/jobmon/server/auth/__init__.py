"""Who is who, and who may do what: the journey of a request from its token to a decision.

doorkeeper   the token -> a Principal, from memory where it was asked lately
whose        what the request is about -> a Thing
decision     authorize(principal, action, thing): the one place that decides
"""
