"""Automated masks against expert masks: their quality by group, and what they do as a ruler.

Imports evaluation, tables and subgroups; never torch or nnunetv2.
"""
