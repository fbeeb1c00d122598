"""What a manuscript needs of an evaluation: methods, results, tables and a reporting checklist.

Words what findings decided and claims nothing else; imports results, findings and titles of pages.
A text is as private as the result that it is made of: one to be published is made of a shareable
result. ``write_paper`` of :mod:`.files` is the whole room as one call.
"""
