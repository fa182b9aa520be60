"""From a numeric finding to a stand-alone script: fewer sizes, options and numbers, then proof.

`shape` makes a case smaller, `numbers` makes its numbers simpler, `failure` says whether it still
fails in the same way, `script` writes what is left as a program that needs no file of ours, and
`verify` runs it in an interpreter of its own. `reproduce` does all of it for the findings of a run.
`life` leaves out the steps of a life that a finding does not need.
"""
