"""Evidence that the harness itself can be trusted: its oracle, its bounds, its silence.

Four questions about the judge, each with a command: does the oracle lie where ball arithmetic
proves the equation to lie (`enclosure`), does every legal order of evaluation stay within the
bounds (`legal`, also by `enclosure`), does a correct framework pass (`false_alarms`), and what
could each comparison have seen (`power`)?
"""
