"""Long experiments that ask whether the harness itself can be trusted; no part of the package.

Each is a module to be run from the root of the project, most by a target of the Makefile:

    enclosure        does the oracle lie where ball arithmetic proves the equation to lie, and does
                     every correct order of evaluation stay within the bounds?
    false_alarms     does a correct framework pass?
    where_time_goes  what does a run spend its time on?
    power            what could each comparison have seen?
    mutation         do the tests fail where the oracle, its bounds or a check is changed?
    fuzz             is malformed input taken, or refused with its own error?
    sequence_limits  how long a sequence does each backend take?
    bench_*          what does it cost? (pytest-benchmark)
"""
