"""What makes runs trustworthy: settings, storage, arithmetic, records, locks, processes.

Nothing of data, systems or papers is known here.
"""
