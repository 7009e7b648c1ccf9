"""What is done in each state: one file for each action that a table names.

An action gets ports in and gives one event with its writes out. It is safe to repeat, commits
nothing itself, and never chooses the next state.
"""
