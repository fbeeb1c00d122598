"""The page of an audit of labels: whose masks are flawed for whom, and what that does to gaps.

Imports results and findings, the words of audits, drawings and what pages share.
"""
