"""The traffic lab: records labelled flows between virtual hosts that exist only for the recording.

Run it as ``python -m lab`` from the repository root; ``docs/lab.md`` tells what it records and how.
"""
